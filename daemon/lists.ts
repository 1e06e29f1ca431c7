/**
 * Lists of many devices as JSON. A list of a thousand devices costs little, and others are served meanwhile:
 *
 *     requests that wait for their turn together ─▶ one answer for all of them
 *     a device of which nothing has changed ──────▶ its bytes of the list before
 *     many that have changed ─────────────────────▶ several turns of the event loop
 *
 * Neighbours: describe.ts says what a device's JSON is, routes/ ask.
 * Invariant: an answer is made after its request came in, so what `ip` did before the request is in it.
 */

import type { Pair } from '../src/veth/device.js'
import { type Device, type DeviceState, unlessGone } from '../src/veth/device.js'
import { countedBy } from '../src/veth/stats.js'
import { ownTurn } from '../src/veth/turns.js'
import { describeDevice, describeStats, type Reader } from './describe.js'

/** What a list is sent as. */
export const JSON_TYPE = 'application/json; charset=utf-8'

/** Answers that wait for their turn, by what was asked for. */
export class Lists {
  readonly #waiting = new Map<string, Promise<Buffer>>()

  /** What `make` gives in a turn of its own; or what another one gives that waits under the same `key`. */
  inTurn(key: string, make: () => Buffer | Promise<Buffer>): Promise<Buffer> {
    const before = this.#waiting.get(key)
    if (before !== undefined) return before
    const answer = ownTurn().then(() => {
      this.#waiting.delete(key)
      return make()
    })
    this.#waiting.set(key, answer)
    return answer
  }
}

/** `{"devices":[…]}`; devices that are gone are left out. */
export function devicesList(devices: readonly Device[], reader: Reader): Promise<Buffer> {
  return list('devices', devices, (device) => bytesOf('device', device, reader))
}

export function statsList(devices: readonly Device[], reader: Reader): Promise<Buffer> {
  return list('devices', devices, (device) => bytesOf('stats', device, reader))
}

/** `{"pairs":[…]}`; a pair with an end that is gone is left out. */
export function pairsList(pairs: readonly Pair[], reader: Reader): Promise<Buffer> {
  return list('pairs', pairs, ({ id, checksum, createdAt, a, b }) => {
    const [bytesA, bytesB] = [bytesOf('device', a, reader), bytesOf('device', b, reader)]
    if (bytesA === undefined || bytesB === undefined) return undefined
    const head = JSON.stringify({ id, checksum, created_at: createdAt.toISOString() })
    return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"a":`), bytesA, B, bytesB, END])
  })
}

const [B, COMMA, END] = [',"b":', ',', '}'].map((text) => Buffer.from(text))

/** How long JSON is made before others have their turn. */
const TURN_MS = 8

async function list<T>(name: string, things: readonly T[], bytesOf: (thing: T) => Buffer | undefined): Promise<Buffer> {
  const parts: Buffer[] = []
  let until = performance.now() + TURN_MS
  for (const thing of things) {
    if (performance.now() > until) {
      await ownTurn()
      until = performance.now() + TURN_MS
    }
    const bytes = bytesOf(thing)
    if (bytes !== undefined) parts.push(COMMA, bytes)
  }
  parts[0] = Buffer.from(`{"${name}":[`)
  return Buffer.concat([...parts, Buffer.from(']}')])
}

const DESCRIBE = { device: describeDevice, stats: describeStats }

/** The JSON of a device, and all that it was made of. */
interface Kept {
  state: DeviceState
  peer: DeviceState | undefined
  groFlushUs: number
  counted: number
  bytes: { [What in keyof typeof DESCRIBE]?: Buffer | undefined }
}

const kept = new WeakMap<Device, Kept>()

/** Undefined when the device is gone. */
function bytesOf(what: keyof typeof DESCRIBE, device: Device, reader: Reader): Buffer | undefined {
  const state = unlessGone(() => reader.read(device))
  if (state === undefined) return undefined
  const peer = reader.peerOf(device)
  const { groFlushUs } = device.record
  const counted = countedBy(device)
  let known = kept.get(device)
  const isSame =
    known?.state === state && known.peer === peer && known.groFlushUs === groFlushUs && known.counted === counted
  if (known === undefined || !isSame) {
    known = { state, peer, groFlushUs, counted, bytes: {} }
    kept.set(device, known)
  }
  known.bytes[what] ??= unlessGone(() => Buffer.from(JSON.stringify(DESCRIBE[what](device, reader))))
  return known.bytes[what]
}
