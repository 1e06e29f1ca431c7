/**
 * What happens to pairs and devices: made, removed and why, what somebody did to a device behind vethd's back, and what
 * a device has to do without. Told here once, to the log and to the readers of GET /v1/events.
 *
 *     src/veth/driver.ts ─→ compared with what was told last ─┬→ log
 *                                                             └→ event-ring.ts ─→ routes/events.ts
 *
 * Invariant: `present`, and then the events from the ring's position on, are all there is to know.
 */
import type { Event } from '../src/api/schema.js'
import { netnsName } from '../src/netlink/netns.js'
import type { Device, Pair } from '../src/veth/device.js'
import type { Driver, RemovalReason } from '../src/veth/driver.js'
import { EventRing } from './event-ring.js'
import type { Log } from './log.js'

/** What was told of a device last. */
interface Told {
  name: string
  netns: string | null
  netns_inode: number
  carrier: boolean
}

export class Events {
  readonly ring = new EventRing<Event>()
  readonly #log: Log
  /** Every device that was told of, as it was told; in the order in which they came. */
  readonly #told = new Map<Device, Told>()

  constructor(driver: Driver, log: Log) {
    this.#log = log
    driver.on('pair-added', (pair) => {
      const [dev, peer] = pair.devices.map(({ known }) => known?.name)
      log.info({ pair: pair.id, dev, peer, checksum: pair.checksum }, 'pair added')
    })
    driver.on('pair-removed', (pair, reason) => this.#removed(pair, reason))
    // what was done to a device is told before what came of it
    driver.on('device-changed', (device) => {
      for (const end of [device, device.peer]) this.#compare(end)
    })
    driver.on('device-degraded', (device, { what, why }) => {
      // what a new device does without is told behind that there is one
      if (this.#told.has(device)) this.#tell('warn', { kind: 'degraded', ...this.#about(device), what, why })
    })
  }

  /** What there is, in events that tell of it. */
  present(): Event[] {
    return [...this.#told.keys()].flatMap((device) => this.#introduce(device, device.pair.createdAt))
  }

  #compare(device: Device): void {
    if (device.known === null || device.pair.removal !== null) return
    const { name, inode } = device.known
    const now = { name, netns: netnsName(inode) ?? null, netns_inode: inode, carrier: device.carrier }
    const before = this.#told.get(device)
    this.#told.set(device, now)
    if (before === undefined) {
      for (const event of this.#introduce(device)) this.#tell(event.kind === 'degraded' ? 'warn' : 'debug', event)
      return
    }
    const about = this.#about(device)
    if (before.netns_inode !== now.netns_inode) {
      const { netns, netns_inode } = before
      this.#tell('info', { kind: 'moved', ...about, from: { netns, netns_inode } })
    }
    if (before.name !== now.name) this.#tell('info', { kind: 'renamed', ...about, was: before.name })
    if (before.carrier !== now.carrier) this.#tell('debug', { kind: 'carrier', ...about, carrier: now.carrier })
  }

  #introduce(device: Device, since = new Date()): Event[] {
    const { pair, peer, degradations } = device
    const about = this.#about(device, since)
    const { carrier } = this.#told.get(device)!
    return [
      { kind: 'added', ...about, peer: nameOf(peer), checksum: pair.checksum, carrier },
      ...degradations.map(({ what, why }) => ({ kind: 'degraded' as const, ...about, what, why })),
    ]
  }

  /**
   * Told as it was known: its namespace may be gone, and the number another's. When the daemon ends, that every stream
   * ends says it.
   */
  #removed(pair: Pair, reason: RemovalReason): void {
    this.#log.info({ pair: pair.id, reason }, 'pair removed')
    if (reason === 'closed') return
    for (const device of pair.devices.filter((device) => this.#told.has(device))) {
      this.#tell('debug', { kind: 'removed', ...this.#about(device), reason })
      this.#told.delete(device)
    }
  }

  #about(device: Device, time = new Date()) {
    const { name, netns, netns_inode } = this.#told.get(device)!
    return { time: time.toISOString(), pair: device.pair.id, device: device.reference, name, netns, netns_inode }
  }

  #tell(level: 'debug' | 'info' | 'warn', event: Event): void {
    const { kind, time: _, ...fields } = event
    this.#log[level](fields, `device ${kind}`)
    this.ring.push(event)
  }
}

/** Also of an end that was not told of yet. */
function nameOf(device: Device): string | null {
  try {
    return device.name
  } catch {
    return null
  }
}
