/**
 * What can be set for speed changes no frame: the same frames go through kernel veth and through vethd with each lever pulled,
 * held back meanwhile so that they come in the longest bursts, and the same frames arrive.
 *
 *     host: send ─ left ═══ right ─ receive
 */
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { atRest } from '../device/harness/counters.js'
import { startDaemon } from '../device/harness/daemon.js'
import { type Frame, FrameReceiver, sendFrames } from '../device/harness/frames.js'
import { ENGINES, kernelVeth, type Subject, vethd } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, Topology } from '../device/harness/topology.js'
import { framesOf } from '../oracle/frames.js'

interface Lever {
  args?: string[]
  /** What is said of each end when the pair is made. */
  end?: string
  /** Typed in the shell of the host once the pair is there. */
  set?: string
  /** Frames keep their order within a flow, and only there; segments of a flow may arrive as one. */
  byFlow?: true
}

const CPUS = native().getThreadAffinity()

const LEVERS: Record<string, Lever> = {
  'no lever': {},
  '--busy-poll 0': { args: ['--busy-poll', '0'] },
  '--busy-poll 1000': { args: ['--busy-poll', '1000'] },
  'one worker on one CPU': { args: ['--workers', '1', '--cpus', String(CPUS.at(-1))] },
  'four queues and two workers': {
    args: ['--workers', '2', '--cpus', CPUS.slice(0, 2).join()],
    end: 'numtxqueues 4 numrxqueues 4',
    byFlow: true,
  },
  'a ring of 1024': { end: 'txqueuelen 1024' },
  'gro on': { set: 'ethtool -K right gro on', byFlow: true },
}

/** Frames of each shape, of several flows, in a mixture; fewer than the smallest ring takes. */
const MIXTURE = [
  'other/88b5/14',
  'stream/20/flows=3',
  'all/88b5/60*10',
  'gso/5000/1000',
  'group/88cc/200*10',
  'gso/64000/1400',
  'other/88b5/1514*20',
  'other/8100/1518*5',
  'stream/20/flows=2/seq=+80/id=+20',
  'other/88b5/1000*20',
]
const ROUNDS = 3
/** The length of each round's last frame, which no other has. */
const LAST = 300

const ETH_P_IP = 0x0800
const ETH_P_8021Q = 0x8100
const TYPE_AT = 12
const TCP_AT = 14 + 20
const TCP_HLEN = 20

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ethtool', 'python3')

t.test('no lever changes what arrives', { skip }, async (t) => {
  const topology = Topology.of(t)
  const veth = kernelVeth(await topology.namespace('veth'))
  const expected = await carried(veth, {})
  t.ok(expected.length > ROUNDS * MIXTURE.length)

  await Promise.all(
    ENGINES.map(async (engine) => {
      for (const [name, lever] of Object.entries(LEVERS)) {
        const host = await topology.namespace('host')
        const daemon = await startDaemon(topology, host, { engine, args: lever.args })
        const arrived = await carried(vethd(daemon, engine, 'offload'), lever)
        const seen = lever.byFlow ? byFlow : everything
        t.same(seen(arrived), seen(expected), `${engine} engine, ${name}`)
        daemon.process.signal('SIGTERM')
        await daemon.process.exit()
      }
    }),
  )
})

/** What arrives of the mixture, sent some times over. */
async function carried(subject: Subject, { end = '', set }: Lever): Promise<Frame[]> {
  const { host, daemon } = subject
  await subject.do(`link add left ${end} type veth peer name right ${end}`.replace(/ +/g, ' ').trim())
  await subject.batch(['link set left up', 'link set right up'])
  if (set) await host.do(set)
  const receiver = await FrameReceiver.on(host, 'right')
  for (let round = 0; round < ROUNDS; round++) {
    const frames = framesOf([...MIXTURE, `other/88b5/${LAST + round}`])
    daemon?.process.signal('SIGSTOP')
    try {
      const outcomes = await sendFrames(host, 'left', frames)
      if (outcomes.some((outcome) => outcome !== 'sent')) throw new Error(`not all were sent: ${outcomes}`)
    } finally {
      daemon?.process.signal('SIGCONT')
    }
    await receiver.framesUntil(frames.at(-1)!)
    await atRest(async () => receiver.frames.length) // other flows may have lanes of their own
  }
  receiver.stop()
  return receiver.frames
}

/** Everything, in its order. */
function everything(frames: Frame[]): string[] {
  return frames.map(({ vnet, bytes }) => `${vnet.toString('hex')} ${bytes.toString('hex')}`)
}

/** The frames of each flow in their order, and of a TCP connection the bytes that it carried. */
function byFlow(frames: Frame[]): Record<string, string> {
  const flows = new Map<string, Buffer[]>()
  for (const { bytes } of frames) {
    const type = bytes.readUInt16BE(TYPE_AT)
    const isTcp = type === ETH_P_IP
    const headers = bytes.subarray(0, type === ETH_P_8021Q ? TYPE_AT + 4 : TYPE_AT + 2)
    const flow = isTcp ? `TCP from port ${bytes.readUInt16BE(TCP_AT)}` : headers.toString('hex')
    flows.set(flow, [...(flows.get(flow) ?? []), isTcp ? bytes.subarray(TCP_AT + TCP_HLEN) : bytes])
  }
  return Object.fromEntries([...flows].sort().map(([flow, parts]) => [flow, Buffer.concat(parts).toString('hex')]))
}
