/**
 * How soon vethd follows what somebody does to an end: its carrier is the other end's, and its MTU the limit of what the
 * other end may send, within 20 ms. Times are measured here and not by whoever is measured: a netlink socket of the test's
 * own hears of the change and of what comes of it. (Of a kernel veth's lost carrier the kernel itself tells up to a second
 * late, unless somebody asks; vethd asks.)
 *
 *     a ── v1 ═══ v2 ── b        `ip link set v1 down` in a ─▶ v2 has no carrier
 */
import { closeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { Monitor, type MonitorEvent } from '../../src/netlink/monitor.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import { ROOT, startDaemon } from '../device/harness/daemon.js'
import { ENGINES, vethd } from '../device/harness/subject.js'
import { DEADLINE_MS, missing, type Namespace, Topology } from '../device/harness/topology.js'
import { quantile } from '../device/harness/traffic.js'

const TRIALS = 50
const WITHIN_MS = 20

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'python3')

type LinkEvent = Extract<MonitorEvent, { kind: 'link' }>

/** Links of two namespaces as events with the time at which they were heard. */
class Clock {
  readonly #monitor: Monitor
  readonly #heard: { event: MonitorEvent; at: number }[] = []
  #look: () => void = () => {}

  constructor(topology: Topology, namespaces: Namespace[]) {
    const own = native().netnsCreate()
    this.#monitor = new Monitor(own, (event) => {
      this.#heard.push({ event, at: performance.now() })
      this.#look()
    })
    native().close(own)
    topology.defer(() => this.#monitor[Symbol.dispose]())
    for (const { name } of namespaces) {
      const fd = resolveNetns(name)
      this.#monitor.know(fd)
      closeSync(fd)
    }
  }

  forget(): void {
    this.#heard.length = 0
  }

  /** When a link of that name was first told of with a flag, or without it. */
  flag(dev: string, flag: 'UP' | 'LOWER_UP', set: boolean): Promise<number> {
    return this.#first(dev, ({ link }) => link.flagNames.includes(flag) === set, `${set ? 'with' : 'without'} ${flag}`)
  }

  /** When it was first told that a link has moved away. */
  moved(dev: string): Promise<number> {
    return this.#first(dev, ({ removed }) => removed, 'as moved')
  }

  #first(dev: string, fits: (event: LinkEvent) => boolean, what: string): Promise<number> {
    const found = () =>
      this.#heard.find(({ event }) => event.kind === 'link' && event.link.name === dev && fits(event))?.at
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nobody told of ${dev} ${what}`)), 5000)
      this.#look = () => {
        const at = found()
        if (at === undefined) return
        clearTimeout(timer)
        resolve(at)
      }
      this.#look()
    })
  }
}

for (const engine of ENGINES)
  t.test(`${engine} engine`, { skip }, async (t) => {
    const topology = Topology.of(t)
    const [host, a, b] = [
      await topology.namespace('host'),
      await topology.namespace('a'),
      await topology.namespace('b'),
    ]
    const daemon = await startDaemon(topology, host, { engine })
    const subject = vethd(daemon, engine, 'offload')
    const clock = new Clock(topology, [a, b])

    await t.test(`the other end's carrier follows within ${WITHIN_MS} ms, p95 of ${TRIALS}`, async (t) => {
      await subject.do(`link add v1 netns ${a.name} type veth peer name v2 netns ${b.name}`)
      await b.do('ip link set v2 up')
      await a.do('ip link set v1 up')
      await clock.flag('v2', 'LOWER_UP', true)
      const delays: number[] = []
      for (let trial = 0; trial < TRIALS; trial++) {
        const up = trial % 2 === 1
        // either end, in turns of two
        const [ns, dev, other] = trial % 4 < 2 ? [a, 'v1', 'v2'] : [b, 'v2', 'v1']
        clock.forget()
        await ns.do(`ip link set ${dev} ${up ? 'up' : 'down'}`)
        const changed = await clock.flag(dev, 'UP', up)
        delays.push((await clock.flag(other, 'LOWER_UP', up)) - changed)
      }
      const [p50, p95] = [quantile(delays, 0.5), quantile(delays, 0.95)]
      t.comment(`p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`)
      t.ok(p95 <= WITHIN_MS, `p95 ${p95.toFixed(1)} ms`)
    })

    // until the move is done the kernel lets nobody touch a device (rtnl), and it tells of it then
    await t.test(`so it does when an end moves`, async (t) => {
      const delays: number[] = []
      for (let trial = 0; trial < 20; trial++) {
        const [from, to] = trial % 2 === 0 ? [b, a] : [a, b]
        clock.forget()
        await from.do(`ip link set v2 netns ${to.name}`)
        const moved = await clock.moved('v2')
        delays.push((await clock.flag('v1', 'LOWER_UP', false)) - moved)
        clock.forget()
        await to.do('ip link set v2 up')
        await clock.flag('v1', 'LOWER_UP', true)
      }
      t.ok(quantile(delays, 0.95) <= WITHIN_MS, delays.map((delay) => delay.toFixed(1)).join(' '))
    })

    await t.test(`a live change of the MTU counts within ${WITHIN_MS} ms, p95 of ${TRIALS}`, async (t) => {
      await subject.do('link add w1 type veth peer name w2')
      await host.do('ip link set w1 up')
      await host.do('ip link set w2 up')
      const script = ['python3', `${ROOT}/test/device/harness/frames.py`, 'mtu', 'w1', 'w2', String(TRIALS / 2)]
      const delays = (await host.do(script)).trim().split('\n').map(Number)
      t.equal(delays.length, TRIALS)
      const [p50, p95] = [quantile(delays, 0.5), quantile(delays, 0.95)]
      t.comment(`p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`)
      t.ok(p95 <= WITHIN_MS, `p95 ${p95.toFixed(1)} ms`)
    })

    t.equal((await daemon.stop()).code, 0)
  })
