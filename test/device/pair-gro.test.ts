/**
 * GRO on real devices: what is merged for `ethtool -K … gro on` arrives whole whatever is switched meanwhile, every frame
 * stands in the books, and runs are held as long as was said. What becomes of which frame is compared with kernel veth in
 * test/oracle/rows/gro.ts.
 *
 *     a: veth1 (TSO off) ═══ b: veth2 (GRO)
 */
import t, { type Test } from 'tap'
import { segment, VNET_HDR_LEN } from '../unit/frame/gro-frames.js'
import { accounts, ledger, unexplained, vethdStats } from './harness/counters.js'
import { type Frame, hex, SOURCE, sendFrames, sniff } from './harness/frames.js'
import { until } from './harness/processes.js'
import { type Subject, startSubjects, stopSubjects } from './harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from './harness/topology.js'
import { serveTransfers, transfer } from './harness/traffic.js'

const BYTES = 40_000_000
const SEGMENTS = 5

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ethtool', 'python3')

t.test('generic receive offload', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const [, ...subjects] = await startSubjects(topology, host, ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, topology, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, topology: Topology, subject: Subject): Promise<void> {
  const [a, b] = [await topology.namespace('a'), await topology.namespace('b')]
  await subject.do(subject.newPair('veth1', 'veth2'))
  t.teardown(() => subject.do(`-n ${a.name} link del veth1`))
  for (const [ns, dev, host] of [
    [a, 'veth1', 1],
    [b, 'veth2', 2],
  ] as const) {
    await subject.do(`link set ${dev} netns ${ns.name}`)
    await ns.do(`ip addr add 10.0.0.${host}/24 dev ${dev}`)
    await ns.do(`ip -6 addr add fd00::${host}/64 dev ${dev} nodad`)
    await ns.do(`ip link set ${dev} up`)
  }
  await a.do('ping -n -c 1 -W 2 10.0.0.2')
  const [veth1, veth2] = [
    { ns: a, dev: 'veth1' },
    { ns: b, dev: 'veth2' },
  ]
  const gro = async () => (await vethdStats(subject, veth2)).vethd.gro
  const ethtool = async (ns: Namespace, what: string) => {
    await ns.do(`ethtool -K ${ns === a ? 'veth1' : 'veth2'} ${what}`)
  }
  const hold = (us: number) => subject.do(`-n ${b.name} link set veth2 gro-flush-us ${us}`)
  await ethtool(a, 'tso off')
  const server = await serveTransfers(b)

  await t.test('is off by default', async (t) => {
    await transfer(a, 'tcp', '10.0.0.2', 1_000_000)
    t.equal(sum((await gro()).frames), 0)
  })

  for (const address of ['10.0.0.2', 'fd00::2'])
    await t.test(`TCP to ${address} arrives whole, merged`, async (t) => {
      await ethtool(b, 'gro on')
      const before = (await gro()).frames.merged
      await transfer(a, 'tcp', address, BYTES)
      const merged = (await gro()).frames.merged - before
      t.ok(merged > BYTES / 1448 / 2, `${merged} frames were merged into others`)
    })

  await t.test('TCP arrives whole while GRO is switched on and off, and held runs are let go', async (t) => {
    let busy = true
    const transferred = transfer(a, 'tcp', '10.0.0.2', BYTES).finally(() => {
      busy = false
    })
    let switched = 0
    for (; busy; switched++) {
      await ethtool(b, `gro ${switched % 2 === 0 ? 'off' : 'on'}`)
      await hold(switched % 3 === 0 ? 0 : 300)
    }
    await transferred
    t.ok(switched > 1, `switched ${switched} times`)
    await ethtool(b, 'gro on')
    await hold(0)
  })

  await t.test('a frame is held no longer than gro-flush-us, and no shorter when more may come', async (t) => {
    await hold(100_000)
    const recorder = await sniff(b, 'veth2')
    const started = performance.now()
    await sendFrames(a, 'veth1', stream())
    await until('a super-frame', () => recorder.stdout.split('\n').length > 2)
    t.ok(performance.now() - started > 100, 'it was held')
    recorder.signal('SIGTERM')
    const [, line] = recorder.stdout.split('\n')
    t.match(line, /^in 74 partial 1 4 /, 'all segments in one')
    t.ok((await gro()).runs.timeout >= 1)
  })

  await t.test('a run that cannot be written counts every frame of it', async () => {
    await hold(1_000_000)
    const drops = async () => (await vethdStats(subject, veth1)).vethd.drops.peer_down
    const dropped = await drops()
    await sendFrames(a, 'veth1', stream())
    await b.do('ip link set veth2 down')
    await until('the frames to be dropped', async () => (await drops()) >= dropped + SEGMENTS)
    await b.do('ip link set veth2 up')
    await hold(0)
  })

  server.signal('SIGTERM')
  await server.exit()
  await t.test('the books balance', async (t) => {
    const [near, far] = await accounts(subject, veth1, veth2)
    const merged = far.stats!.vethd.gro.frames.merged - SEGMENTS + 1 // those of the run that was dropped
    t.equal(unexplained(ledger(near, far)), merged)
    const { frames, runs } = far.stats!.vethd.gro
    t.equal(sum(runs), frames.held, 'a run has one reason')
  })
}

/** The first segments of a connection that nobody has. */
function stream(): Frame[] {
  return Array.from({ length: SEGMENTS }, (_, i) => {
    const frame = Buffer.from(segment({ seq: 4 * i, id: 1 + i, destination: [2, 0, 0, 0, 0, 9] }))
    const bytes = frame.subarray(VNET_HDR_LEN)
    hex(SOURCE).copy(bytes, 6)
    return { vnet: frame.subarray(0, 10), bytes }
  })
}

function sum(counters: Record<string, number>): number {
  return Object.values(counters).reduce((total, count) => total + count, 0)
}
