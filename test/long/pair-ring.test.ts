/**
 * The ring between a stack and vethd takes the bursts that TCP sends, with the congestion controls that distributions have as
 * their default. veth has no ring; what stands in for it there is the backlog of the receiving CPU, of 1000 frames.
 *
 *     a ── v1 ═══ v2 ── b
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { until } from '../device/harness/processes.js'
import { type Subject, startSubjects, stopSubjects } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from '../device/harness/topology.js'
import { iperf } from '../device/harness/traffic.js'

const A = '10.0.0.1'
const B = '10.0.0.2'
/** Segments of a full MTU that a retransmission is held against: one in a hundred. */
const SEGMENT_BITS = 1448 * 8
const ATTEMPTS = 3
const SECONDS = 2

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'iperf3', 'ethtool', 'ss')
const offered = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').trim().split(' ')
const controls = ['bbr', 'cubic'].filter((control) => offered.includes(control))

t.test('rings', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const subjects = await startSubjects(topology, host, ['offload'])
  for (const subject of subjects) await t.test(subject.name, (t) => suite(t, topology, subject))
  t.same(await stopSubjects(subjects), [0, 0], 'the daemons end when asked')
})

async function suite(t: Test, topology: Topology, subject: Subject): Promise<void> {
  const [a, b] = [await topology.namespace('a'), await topology.namespace('b')]
  const ring = async () => Number(await a.do('cat /sys/class/net/v1/tx_queue_len'))
  const newPair = async (words = ' ') => {
    await subject.do(`link add v1 netns ${a.name}${words}type veth peer name v2 netns ${b.name}`)
    await a.do(['ip', '-batch', '-'], `addr add ${A}/24 dev v1\nlink set v1 up`)
    await b.do(['ip', '-batch', '-'], `addr add ${B}/24 dev v2\nlink set v2 up`)
  }

  // Such a flow can stand still on any device: on veth in 44 of 96 attempts, on vethd in 1 of 20, with short rings in each.
  // So veth is no yardstick here, and one flow of three has to get through.
  if (subject.daemon)
    for (const control of controls)
      await t.test(`a flow of ${control} goes on across an MTU of 68 at both ends and back`, async (t) => {
        for (let attempt = 1; ; attempt++) {
          await newPair()
          try {
            await acrossSmallMtu(a, b, control)
            return
          } catch (error) {
            if (attempt === ATTEMPTS) throw error
            t.comment(`attempt ${attempt}: ${(error as Error).message}`)
          } finally {
            await a.do('ip link del v1')
          }
        }
      })

  await newPair()
  await a.do('ethtool -K v1 tso off')
  if (subject.daemon)
    await t.test('without TSO its ring is longer, and stays so', async (t) => {
      await until('a longer ring', async () => (await ring()) === 4096)
      await a.do('ethtool -K v1 tso on')
      await a.do('ip link set v1 mtu 1400')
      await a.do('ethtool -K v1 tso off')
      t.equal(await ring(), 4096)
    })
  for (const control of controls)
    await t.test(`8 flows of ${control} without TSO lose next to nothing`, async (t) => {
      const { bitsPerSecond, retransmits } = await iperf(a, b, B, `-t ${SECONDS} -P 8 -C ${control}`)
      const segments = (bitsPerSecond * SECONDS) / SEGMENT_BITS
      t.comment(`${(bitsPerSecond / 1e9).toFixed(2)} Gbit/s, ${retransmits} of ${Math.round(segments)} again`)
      t.ok(retransmits < segments / 100, `${retransmits} of ${segments} segments`)
    })
  await a.do('ip link del v1')

  if (!subject.daemon) return
  await t.test('a ring that somebody chose stays as it is', async (t) => {
    await newPair(' txqueuelen 256 ')
    const follow = async (change: string) => {
      await a.do(`ethtool -K v1 tso ${change}`)
      await subject.do(`-n ${a.name} link show v1`) // the daemon has looked at it
    }
    await follow('off')
    t.equal(await ring(), 256, 'when the pair was made')
    await subject.do(`-n ${a.name} link set v1 txqueuelen 0`)
    t.equal(await ring(), 4096, 'until it is to have none')
    await a.do('ip link set v1 txqueuelen 300')
    await follow('on')
    await follow('off')
    t.equal(await ring(), 300, 'or later')
  })
}

/** Throws when the flow stands still. The MTU is back as soon as TCP has learned of the small one. */
async function acrossSmallMtu(a: Namespace, b: Namespace, control: string): Promise<void> {
  const server = b.start('iperf3 -s -1 --forceflush')
  await server.line(/Server listening/)
  const client = a.start(`iperf3 -c ${B} -t 60 -C ${control}`)
  const flow = (ns: Namespace) => ns.do(`ss -tinH state established ( sport = :5201 or dport = :5201 )`)
  const received = async () =>
    Math.max(0, ...[...(await flow(b)).matchAll(/bytes_received:(\d+)/g)].map((found) => Number(found[1])))
  const receive = async (bytes: number, withinMs: number) => {
    const before = await received()
    await until(`${bytes} bytes to arrive`, async () => (await received()) > before + bytes, withinMs)
  }
  try {
    await receive(100e6, 10_000)
    await a.do('ip link set v1 mtu 68')
    await b.do('ip link set v2 mtu 68')
    await until('TCP to learn of it', async () => (await flow(a)).includes('mss:36 '))
    await receive(100e3, 10_000)
    await a.do('ip link set v1 mtu 1500')
    await b.do('ip link set v2 mtu 1500')
    await receive(300e3, 10_000)
  } finally {
    client.signal('SIGKILL')
    server.signal('SIGKILL')
    await server.exit()
  }
}
