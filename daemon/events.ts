/**
 * Events of pairs and devices: creation, removal with its reason, changes that others made to a device, and lost features.
 * Each is reported once, to the log and to the subscribers of GET /v1/events.
 *
 *     src/veth/driver.ts ─→ compared with the last report ─┬→ log
 *                                                          └→ event-ring.ts ─→ routes/events.ts
 *
 * Invariant: `present`, followed by the events from the ring's position on, is a complete picture.
 */
import type { Event } from '../src/api/schema.js'
import { netnsName } from '../src/netlink/netns.js'
import type { Device, Pair } from '../src/veth/device.js'
import type { Driver, RemovalReason } from '../src/veth/driver.js'
import { EventRing } from './event-ring.js'
import type { Log } from './log.js'

/** The last reported state of a device. */
interface Told {
  name: string
  netns: string | null
  netns_inode: number
  carrier: boolean
}

export class Events {
  readonly ring = new EventRing<Event>()
  readonly #log: Log
  /** The last reported state of every device, in the order in which they were added. */
  readonly #told = new Map<Device, Told>()

  constructor(driver: Driver, log: Log) {
    this.#log = log
    driver.on('pair-added', (pair) => {
      const [dev, peer] = pair.devices.map(({ known }) => known?.name)
      log.info({ pair: pair.id, dev, peer, checksum: pair.checksum }, 'pair added')
    })
    driver.on('pair-removed', (pair, reason) => this.#removed(pair, reason))
    // a cause is reported before its effects
    driver.on('device-changed', (device) => {
      for (const end of [device, device.peer]) this.#compare(end)
    })
    driver.on('device-degraded', (device, { what, why }) => {
      // a new device is reported before its lost features
      if (this.#told.has(device)) this.#tell('warn', { kind: 'degraded', ...this.#about(device), what, why })
    })
  }

  /** The existing devices, as events. */
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
   * Reports the last known name and namespace: the namespace may be gone, and its number reused. When the daemon ends, no event
   * is needed: every stream ends.
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

/** Also for an end that was not reported yet. */
function nameOf(device: Device): string | null {
  try {
    return device.name
  } catch {
    return null
  }
}
