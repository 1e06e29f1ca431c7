/**
 * Why an echo got no answer: the counters say where its frames ended (trace.ts), and what is there now says why: carrier,
 * the neighbour table, the addresses and routes at the other end.
 *
 * It looks when the wait is over, so it sees the present state, which may have changed since the frames ended.
 */
import type { Device } from '../../api/schema.js'
import type { Client } from '../../client/client.js'
import { framesOf } from './echo.js'
import { type Address, addresses, neighbour, routeTo } from './network.js'
import { type Place, placeOf } from './place.js'
import type { Outcome } from './socket.js'
import { type LaneWindow, type Passage, passage, type Stage } from './trace.js'
import { peerReferenceOf, referenceOf, troubleOf, type Way } from './way.js'

/** Where and why an echo ended. */
export interface Loss {
  /** The last stage that its frames passed, of the request or, behind `written`, of the answer; null before the first. */
  after: Stage | null
  /** One word: a reason of `drops`, or one of those below. */
  reason: string
  /** False when other frames may have had that end, and the echo another. */
  certain: boolean
  why: string
  advice: string
}

type Stop = NonNullable<Passage['stop']>
/** A loss; what is left out is the default of explain(). */
type Cause = Pick<Loss, 'reason' | 'why' | 'advice'> & Partial<Loss>

/** Everything that is known of an echo without an answer. */
export interface LostEcho {
  way: Way
  outcome: Outcome
  forward: Passage
  backward: LaneWindow
  size: number
}

export async function explain(client: Client, { way, outcome, forward, backward, size }: LostEcho): Promise<Loss> {
  const [near] = (await client.devices({ dev: referenceOf(way.near) })).devices
  const [far] = (await client.devices({ dev: peerReferenceOf(way.near) })).devices
  const { family } = way.target
  const here = placeOf(near)
  const other = new OtherEnd(far, way)
  const { passed, stop } = forward
  const end = (loss: Cause): Loss => ({ after: passed.at(-1) ?? null, certain: true, ...loss })

  const trouble = troubleOf(near)
  if (trouble !== undefined) return end(trouble)
  const isDropped = stop !== undefined && stop.reason !== 'not_handed'
  if (outcome.sendError !== undefined && !isDropped) return end(notSent(outcome.sendError, here))
  if (outcome.icmpError !== undefined && outcome.from !== way.source) {
    const why = `${outcome.from} answered: ${outcome.icmpError}`
    return end({ reason: 'icmp_error', why, advice: `see the routes and filters of ${outcome.from}` })
  }
  const entry = await neighbour(way.nextHop, family, near.ifname)
  if (entry?.state.some((state) => state === 'INCOMPLETE' || state === 'FAILED')) {
    if (!isDropped) return end({ ...(await other.noNeighbour()), after: null })
    // the echo was not sent: the drops are those of the request for its neighbour, or of others
    return end(dropped({ ...stop, certain: stop.count === stop.of }, `${other.asked} request `, near, far))
  }
  if (stop === undefined) {
    const { packets, bytes } = framesOf(family, size, far.mtu)
    const back = passage(backward, packets, bytes, family)
    if (back.stop === undefined || back.stop.reason === 'not_handed')
      return end(await other.silence(forward, back, here))
    return end(dropped(back.stop, 'answer ', far, near))
  }
  if (isDropped) return end(dropped(stop, '', near, far))
  const advice = `a qdisc or a filter has it: ${here.command('tc', '-s', 'qdisc', 'show', 'dev', near.ifname)}`
  return end({ reason: 'not_handed', why: `not handed to ${near.ifname}`, advice })
}

/** sendto(2) failed. */
function notSent(error: string, { command }: Place): Cause {
  const advice: Record<string, string> = {
    'Operation not permitted': `a filter forbids it: ${command('nft', 'list', 'ruleset')}`,
    'Message too long': 'a smaller -s, or a larger MTU',
    'Cannot assign requested address': `no address can be its source: ${command('ip', 'address')}`,
  }
  return {
    reason: 'send_failed',
    why: `not sent: ${error}`,
    advice: advice[error] ?? command('ip', 'route'),
  }
}

/** `what` was dropped or is held on its way from one end to the other. */
function dropped({ reason, certain, count, of }: Stop, what: string, from: Device, to: Device): Cause {
  const verb = reason === 'held' ? 'held by vethd' : `dropped: ${reason}`
  const why = certain ? `${what}${verb}` : `${what}perhaps ${verb} (${count} of ${of} frames)`
  const [source, destination] = [placeOf(from), placeOf(to)]
  const set = ({ command }: Place, dev: string, ...words: string[]) => command('ip', 'link', 'set', dev, ...words)
  const advice: Record<string, string> = {
    tap_ring_full: `the ring has room for ${from.txqlen} frames: ${set(source, from.ifname, 'txqueuelen', 'FRAMES')}`,
    too_long: `the MTU of ${destination.name} is ${to.mtu}: ${set(destination, to.ifname, 'mtu', String(from.mtu))}`,
    peer_down: `${destination.name} was down: ${set(destination, to.ifname, 'up')}`,
    bad_checksum: `this pair verifies checksums: vethctl stats ${referenceOf(from)} has the wrong ones`,
    held: 'wait longer for the answer: -W SECONDS',
  }
  return { reason, certain, why, advice: advice[reason] ?? `vethctl stats ${referenceOf(from)}` }
}

/** The namespace behind the pair, as far as it can be looked at. */
class OtherEnd {
  readonly #far: Device
  readonly #way: Way
  readonly #place: Place

  constructor(far: Device, way: Way) {
    this.#far = far
    this.#way = way
    this.#place = placeOf(far)
  }

  /** Nobody answered ARP or neighbour discovery. */
  async noNeighbour(): Promise<Cause> {
    const { nextHop } = this.#way
    const loss = { reason: 'no_neighbour', why: `no answer to ${this.asked}` }
    const all = await this.#addresses()
    const own = all?.find(({ local }) => local === nextHop)
    const { name, where, command } = this.#place
    if (this.#far.master !== undefined) {
      const advice = `${name} is a port of ${this.#far.master}: somebody behind that bridge must have ${nextHop}`
      return { ...loss, advice }
    }
    if (all === undefined) return { ...loss, advice: `${name} must have ${nextHop}: ${command('ip', 'address')}` }
    if (own?.tentative)
      return { ...loss, advice: `${nextHop} is tentative on ${own.dev} (${where}): try again in a second` }
    if (own !== undefined) {
      const advice = `${where} has ${nextHop} on ${own.dev}: arp off, arp_ignore or a filter there keeps it from answering`
      return { ...loss, advice }
    }
    const why = `${loss.why}: no device at the other end has ${nextHop}`
    return { ...loss, why, advice: `${this.#has(all)}: ${command('ip', 'address')}` }
  }

  /** The frames were written to the peer, and there was no answer. */
  async silence(forward: Passage, backward: Passage, here: Place): Promise<Cause> {
    if (forward.verdict.startsWith('otherhost') && this.#far.master === undefined) return this.#wrongAddress(here)
    if (backward.stop === undefined) {
      const why = 'no answer arrived, but frames came back'
      const advice = `a filter or rp_filter may have dropped it: ${here.command('nft', 'list', 'ruleset')}`
      return { reason: 'not_received', certain: false, why, advice }
    }
    return this.#unanswered()
  }

  /** A neighbour entry with a link layer address that the peer does not have. */
  #wrongAddress({ command }: Place): Cause {
    const { near, nextHop } = this.#way
    const why = `no answer: it was sent to a MAC address that ${this.#place.name} does not have`
    const flush = command('ip', 'neigh', 'flush', 'to', nextHop, 'dev', near.ifname)
    return { reason: 'otherhost', why, advice: `${this.#far.ifname} has ${this.#far.address}: ${flush}` }
  }

  async #unanswered(): Promise<Cause> {
    const { target, source } = this.#way
    const { where, file, name, isOpen, command } = this.#place
    const loss = { reason: 'no_answer', why: 'no answer' }
    const all = await this.#addresses()
    if (all === undefined || this.#far.master !== undefined) {
      const behind = this.#far.master === undefined ? where : `bridge ${this.#far.master} of ${where}`
      return {
        ...loss,
        advice: `${name} took it, and nothing came back from ${behind}: has it ${target.address}, and a route back?`,
      }
    }
    if (!all.some(({ local }) => local === target.address)) {
      const forwarding = target.family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
      const advice = `${where} must forward it (sysctl ${forwarding}), and ${target.address} needs a route back`
      return { ...loss, why: `no answer: ${target.address} is not an address of ${where}`, advice }
    }
    if (isOpen && source !== undefined && target.zone === undefined) {
      const back = await routeTo(source, target.family, undefined, file)
      if (typeof back === 'string') {
        const why = `no answer: ${where} has no route back to ${source} (${back})`
        return { reason: 'no_route_back', why, advice: command('ip', 'route') }
      }
    }
    return {
      ...loss,
      advice: `${where} has ${target.address} and did not answer: icmp_echo_ignore_all, rp_filter or a filter there`,
    }
  }

  /** What asks for a link layer address. */
  get asked(): string {
    return this.#way.target.family === 4 ? 'ARP' : 'neighbour discovery'
  }

  async #addresses(): Promise<Address[] | undefined> {
    const { isOpen, file } = this.#place
    return isOpen ? addresses(this.#way.target.family, file) : undefined
  }

  #has(all: Address[]): string {
    const own = all.filter(({ dev }) => dev === this.#far.ifname).map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    return `${this.#place.name} has ${own.join(' ') || 'no address'}`
  }
}
