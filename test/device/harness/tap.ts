/**
 * Helpers of the tests of Tap: a Tap in a namespace of its own, and frames that differ from those that a stack sends by
 * itself.
 *
 * Neighbours: topology.ts, frames.ts.
 */
import type { Test } from 'tap'
import { Tap } from 'vethd'
import { type Frame, hex, plain, SOURCE } from './frames.js'
import { type Namespace, Topology } from './topology.js'

export const BROADCAST = 'ff ff ff ff ff ff'
const EXPERIMENTAL = '88 b5'

export interface Fixture {
  topology: Topology
  ns: Namespace
  tap: Tap
}

/** A namespace, and a Tap in it that is called tap0. */
export async function fixture(t: Test, { up = true } = {}): Promise<Fixture> {
  const topology = Topology.of(t)
  const ns = await topology.namespace('tap')
  const tap = new Tap({ netns: ns.name })
  topology.defer(() => tap.release())
  tap.isUp = up
  return { topology, ns, tap }
}

/** A frame of `length` bytes from SOURCE with its number in the payload. */
export function numbered(number: number, length: number): Frame {
  const frame = Buffer.alloc(length, number)
  hex(BROADCAST, SOURCE, EXPERIMENTAL).copy(frame)
  if (length >= 18) frame.writeUInt32BE(number, 14)
  return plain(frame)
}

/** Whether the test sent a frame, and not the stack by itself. */
export const isOurs = (frame: Buffer) => frame.subarray(6, 12).equals(hex(SOURCE))

/** Reads `count` frames that the test sent. */
export async function read(tap: Tap, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for await (const frame of tap.iterator({ destroyOnReturn: false })) {
    if (isOurs(frame) && frames.push(frame) === count) break
  }
  return frames
}
