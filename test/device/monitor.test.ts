/**
 * The monitor of all namespaces: it listens from a nursery to namespaces in which ip(8) makes changes.
 */
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { native } from '../../native-bindings/index.js'
import { getLink, setLink } from '../../src/netlink/link.js'
import { Monitor, type MonitorEvent, NURSERY_NSID } from '../../src/netlink/monitor.js'
import { resolveNetns } from '../../src/netlink/netns.js'
import { inNetns } from '../../src/netlink/rtnetlink.js'
import { run } from './harness/processes.js'
import { missing, type Namespace, Topology } from './harness/topology.js'

type LinkEvent = Extract<MonitorEvent, { kind: 'link' }>

/** A nursery, its monitor, and the events so far. */
class Watch {
  readonly nursery = native().netnsCreate()
  readonly events: MonitorEvent[] = []
  readonly monitor: Monitor
  #look = (): void => {}

  constructor(t: Test, socketBufferBytes?: number, datagramBytes?: number) {
    this.monitor = new Monitor(
      this.nursery,
      (event) => {
        this.events.push(event)
        this.#look()
      },
      socketBufferBytes,
      datagramBytes,
    )
    t.teardown(() => {
      this.monitor[Symbol.dispose]()
      closeSync(this.nursery)
    })
  }

  know(ns: Namespace): number {
    return withNetns(ns, (fd) => this.monitor.know(fd))
  }

  /** The next event of this kind that fits, dropping those before it. */
  async next<K extends MonitorEvent['kind']>(
    kind: K,
    fits: (event: Extract<MonitorEvent, { kind: K }>) => boolean = () => true,
    withinMs = 5000,
  ): Promise<Extract<MonitorEvent, { kind: K }>> {
    const is = (event: MonitorEvent): event is Extract<MonitorEvent, { kind: K }> =>
      event.kind === kind && fits(event as Extract<MonitorEvent, { kind: K }>)
    const deadline = AbortSignal.timeout(withinMs)
    for (;;) {
      const at = this.events.findIndex(is)
      if (at >= 0) return this.events.splice(0, at + 1).findLast(is)!
      if (deadline.aborted) throw new Error(`waited ${withinMs} ms in vain for a ${kind} event`)
      await new Promise<void>((resolve) => {
        this.#look = resolve
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

function withNetns<T>(ns: Namespace, act: (netnsFd: number) => T): T {
  const fd = resolveNetns(ns.name)
  try {
    return act(fd)
  } finally {
    closeSync(fd)
  }
}

const named =
  (name: string) =>
  (event: LinkEvent): boolean =>
    event.link.name === name
const removed = (event: LinkEvent): boolean => event.removed

t.test('the monitor', { skip: missing('ip', 'ethtool', 'unshare') }, async (t) => {
  await t.test('sees links appear, go up and down, change, be renamed and go, in three namespaces', async (t) => {
    const topology = Topology.of(t)
    const watch = new Watch(t)
    for (const label of ['one', 'two', 'three']) {
      const ns = await topology.namespace(label)
      const nsid = watch.know(ns)
      const here = (event: LinkEvent): boolean => event.nsid === nsid
      await ns.do('ip tuntap add tap0 mode tap')
      const { link } = await watch.next('link', (event) => here(event) && event.link.name === 'tap0')
      t.equal(link.kind, 'tun')
      await ns.do('ip link set tap0 up')
      t.ok(await watch.next('link', (event) => here(event) && event.link.flagNames.includes('UP')))
      await ns.do('ip link set tap0 mtu 9000')
      t.ok(await watch.next('link', (event) => here(event) && event.link.mtu === 9000))
      await ns.do('ip link set tap0 down')
      t.ok(await watch.next('link', (event) => here(event) && !event.link.flagNames.includes('UP')))
      await ns.do('ip link set tap0 name renamed')
      const { link: renamed } = await watch.next('link', (event) => here(event) && event.link.name === 'renamed')
      t.equal(renamed.index, link.index)
      await ns.do('ip link del renamed')
      const gone = await watch.next('link', (event) => here(event) && event.removed)
      t.match(gone.link, { index: link.index, name: 'renamed' })
    }
  })

  await t.test('hears nothing of a namespace that it does not know', async (t) => {
    const topology = Topology.of(t)
    const watch = new Watch(t)
    const unknown = await topology.namespace('unknown')
    const known = await topology.namespace('known')
    watch.know(known)
    await unknown.do('ip tuntap add secret mode tap')
    await known.do('ip tuntap add last mode tap')
    await watch.next('link', (event) => {
      t.not(event.link.name, 'secret')
      return event.link.name === 'last'
    })
  })

  await t.test('knows a namespace by itself once a device was moved there from the nursery', async (t) => {
    const topology = Topology.of(t)
    const watch = new Watch(t)
    const ns = await topology.namespace('home')
    const tap = native().tapOpen('tmp0', 0x1002, watch.nursery)
    t.teardown(() => closeSync(tap))
    const born = await watch.next('link', named('tmp0'))
    t.equal(born.nsid, NURSERY_NSID)
    withNetns(ns, (netnsFd) =>
      inNetns(watch.nursery, (rtnl) =>
        setLink(rtnl, born.link.index, { netnsFd, newIndex: 4242, name: 'veth1', up: true }),
      ),
    )
    await watch.next('link', removed)
    const nsid = watch.know(ns)
    const up = await watch.next('link', (event) => event.link.flagNames.includes('UP'))
    t.match(up, { nsid, link: { index: 4242, name: 'veth1' } })
    t.equal(getLink(watch.monitor.rtnl, { index: 4242, nsid })?.name, 'veth1', 'and reads it from the nursery')
  })

  await t.test('does not take a port that left its bridge for a deleted device', async (t) => {
    const ns = await Topology.of(t).namespace('bridge')
    const watch = new Watch(t)
    watch.know(ns)
    await ns.do('ip link add br0 type bridge')
    await ns.do('ip tuntap add tap0 mode tap')
    await ns.do('ip link set tap0 master br0')
    t.ok((await watch.next('link', (event) => event.link.master !== undefined)).link.master)
    await ns.do('ip link set tap0 nomaster')
    await ns.do('ip link set tap0 mtu 1400')
    await watch.next('link', (event) => {
      t.notOk(event.removed)
      return event.link.mtu === 1400
    })
  })

  await t.test('hears of features that change', async (t) => {
    const ns = await Topology.of(t).namespace('features')
    const watch = new Watch(t)
    await ns.do('ip tuntap add tap0 mode tap')
    watch.know(ns)
    await ns.do('ethtool -K tap0 gro off')
    t.ok(await watch.next('link', named('tap0')))
  })

  await t.test('says that events were lost, and goes on', async (t) => {
    const ns = await Topology.of(t).namespace('overrun')
    const watch = new Watch(t, 4096)
    watch.know(ns)
    // The event loop does not turn while these happen.
    withNetns(ns, (fd) =>
      inNetns(fd, (rtnl) => {
        for (let i = 0; i < 200; i++) setLink(rtnl, 1, { txqueuelen: 500 + i })
      }),
    )
    await watch.next('overrun')
    await ns.do('ip link set lo txqueuelen 4711')
    t.ok(await watch.next('link', (event) => event.link.txqueuelen === 4711))
  })

  await t.test('a message too long for its buffer is lost, and said to be, and never read by half', async (t) => {
    const ns = await Topology.of(t).namespace('long')
    const watch = new Watch(t, undefined, 512)
    watch.know(ns)
    await ns.do('ip tuntap add tap0 mode tap')
    await watch.next('overrun')
    await ns.do('ip link set tap0 mtu 1400')
    await watch.next('overrun')
    await ns.do('tc qdisc add dev tap0 root pfifo') // such a message fits
    await ns.do('tc qdisc del dev tap0 root')
    await watch.next('qdisc-removed')
    t.notOk(watch.events.some(({ kind }) => kind === 'link'))
  })

  await t.test('a storm of events lets timers through', async (t) => {
    const ns = await Topology.of(t).namespace('storm')
    const watch = new Watch(t)
    watch.know(ns)
    const order: string[] = []
    withNetns(ns, (fd) =>
      inNetns(fd, (rtnl) => {
        for (let i = 0; i < 1000; i++) setLink(rtnl, 1, { txqueuelen: 500 + i })
      }),
    )
    setTimeout(() => order.push('timer'), 1)
    const last = watch.next('link', (event) => event.link.txqueuelen === 1499).then(() => order.push('last'))
    await last
    t.same(order, ['timer', 'last'])
  })

  await t.test('ends at once when it is told to, even from inside an event', async (t) => {
    const ns = await Topology.of(t).namespace('end')
    const nursery = native().netnsCreate()
    t.teardown(() => closeSync(nursery))
    const seen: MonitorEvent[] = []
    const ended = new Promise<void>((resolve) => {
      const monitor = new Monitor(nursery, (event) => {
        seen.push(event)
        monitor[Symbol.dispose]()
        monitor[Symbol.dispose]()
        setImmediate(resolve)
      })
      withNetns(ns, (fd) => monitor.know(fd))
    })
    withNetns(ns, (fd) =>
      inNetns(fd, (rtnl) => {
        for (let i = 0; i < 3; i++) setLink(rtnl, 1, { txqueuelen: 500 + i })
      }),
    )
    await ended
    t.equal(seen.length, 1)
  })

  await t.test('keeps its thread alive until unref, also after an overrun', async (t) => {
    /** The exit code of a thread whose monitor was overrun: 7 if it then lived to see the loopback's queue be 4711. */
    const exitCode = async (body: string): Promise<number> => {
      const thread = new Worker(
        `void (async () => {
          const { native } = await import('${new URL('../../native-bindings/index.js', import.meta.url)}')
          const { Monitor } = await import('${new URL('../../src/netlink/monitor.js', import.meta.url)}')
          const { setLink } = await import('${new URL('../../src/netlink/link.js', import.meta.url)}')
          const set = (txqueuelen) => setLink(monitor.rtnl, 1, { txqueuelen })
          const overrun = {}
          overrun.promise = new Promise((resolve) => { overrun.resolve = resolve })
          const monitor = new Monitor(native().netnsCreate(), ({ kind, link }) => {
            if (kind === 'overrun') overrun.resolve()
            if (link?.txqueuelen !== 4711) return
            process.exitCode = 7
            monitor[Symbol.dispose]()
          }, 4096)
          for (let i = 0; i < 200; i++) set(500 + i)
          ${body}
        })()`,
        { eval: true },
      )
      t.teardown(() => thread.terminate())
      const [code] = await once(thread, 'exit')
      return code
    }
    // Timers that keep nothing alive by themselves.
    const later = 'setTimeout(set, 50, 4711).unref()'
    t.equal(await exitCode(`await overrun.promise; ${later}`), 7)
    const held = 'const hold = setTimeout(() => {}, 10_000); await overrun.promise; clearTimeout(hold)'
    t.equal(await exitCode(`monitor.unref(); ${held}; ${later}`), 0)
    t.equal(await exitCode(`monitor.unref(); ${held}; monitor.ref(); ${later}`), 7)
  })

  await t.test('leaves no number of the nursery in other namespaces', async (t) => {
    const ns = await Topology.of(t).namespace('marks')
    const watch = new Watch(t)
    watch.know(ns)
    t.equal((await ns.do('ip netns list-id')).trim(), '')
    t.notMatch((await run(['ip', 'netns', 'list'])).stdout, new RegExp(`${ns.name} \\(id:`))
  })
})
