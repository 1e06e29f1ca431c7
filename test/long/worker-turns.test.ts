/**
 * When a worker sleeps, stays awake and gives its CPU away. These tests count what a scheduler did, and need the machine for
 * themselves.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { between } from '../device/harness/between.js'
import { accounts, ledger, unexplained } from '../device/harness/counters.js'
import { startDaemon } from '../device/harness/daemon.js'
import { ENGINES, vethd } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from '../device/harness/topology.js'
import { ping } from '../device/harness/traffic.js'

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'iperf3', 'taskset')

/** Datagrams of a namespace that its sockets took, and that found one full (/proc/net/snmp). */
async function datagrams(ns: Namespace): Promise<{ taken: number; refused: number }> {
  const [names, values] = (await ns.do('grep ^Udp: /proc/net/snmp')).split('\n').map((line) => line.split(' '))
  const count = (name: string) => Number(values[names.indexOf(name)])
  return { taken: count('InDatagrams'), refused: count('RcvbufErrors') }
}

for (const engine of ENGINES) {
  const elsewhere = native().getThreadAffinity().length < 2 && 'needs a second CPU'
  t.test(
    `a flood leaves its receiver time on the CPU of the worker: ${engine} engine`,
    { skip: skip || elsewhere },
    async (t) => {
      const topology = Topology.of(t)
      const host = await topology.namespace('host')
      const [first, second] = native().getThreadAffinity()
      const args = ['--workers', '1', '--cpus', String(second)]
      const subject = vethd(await startDaemon(topology, host, { engine, args }), engine, 'offload')
      const [a, b] = await between(topology, subject, subject.newPair('left', 'right'))
      await b.ns.start(`taskset -c ${second} iperf3 -s -1 --forceflush`).line(/Server listening/)
      await a.ns.do(`taskset -c ${first} iperf3 -c 10.0.0.2 -u -b 0 -l 64 -t 1`)
      const { taken, refused } = await datagrams(b.ns)
      const books = ledger(...(await accounts(subject, a, b)))
      t.comment(`${JSON.stringify({ taken, refused })} ${JSON.stringify(books)}`)
      t.ok(taken > refused, `${taken} datagrams were taken, ${refused} carried in vain`)
      t.equal(unexplained(books), 0)
    },
  )
}

/** Pings that follow each other as fast as they are answered, and how often at least one is not slept for. */
const PINGS = 3000
const TRIES = 5

for (const engine of ENGINES) {
  t.test(`answers that come soon keep a worker awake, and nothing else does: ${engine} engine`, { skip }, async (t) => {
    const topology = Topology.of(t)
    /** A pair of a daemon of its own, and how often its worker goes to sleep while one end pings the other. */
    const sleeper = async (...args: string[]) => {
      const host = await topology.namespace('host')
      const daemon = await startDaemon(topology, host, { engine, args: ['--workers', '1', ...args] })
      const subject = vethd(daemon, engine, 'offload')
      const [a] = await between(topology, subject, subject.newPair('left', 'right'))
      const sleeps = () => sleepsOf(daemon.process.pid, 'vethd-lanes/0')
      return async (options: string) => {
        const before = sleeps()
        await ping(a.ns, '10.0.0.2', options)
        return sleeps() - before
      }
    }

    const adaptive = await sleeper()
    t.ok((await adaptive('-c 50 -i 0.01')) >= 50, 'of pings 10 ms apart each wakes it')
    // Where the machine is slow, answers are not soon; that it is all the time is not likely.
    const tries: number[] = []
    do tries.push(await adaptive(`-f -c ${PINGS}`))
    while (tries.at(-1)! >= PINGS / 2 && tries.length < TRIES)
    t.ok(tries.at(-1)! < PINGS / 2, `it slept ${tries} times for ${PINGS} pings`)

    const asleep = await (await sleeper('--busy-poll', '0'))(`-f -c ${PINGS}`)
    t.ok(asleep > (PINGS * 3) / 4, `with --busy-poll 0 ${asleep} times`)
  })
}

/** How often a thread has waited for something (voluntary_ctxt_switches). */
function sleepsOf(pid: number, thread: string): number {
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
    if (status.startsWith(`Name:\t${thread}\n`)) return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)![1])
  }
  throw new Error(`process ${pid} has no thread ${thread}`)
}
