/**
 * Raw frames in tests. They are written as annotated hex, and sent and received by frames.py.
 *
 * Neighbours: topology.ts runs the script. A receiver selects frames by their source address, because a stack that is
 * up also sends frames by itself.
 */
import { join } from 'node:path'
import { ROOT } from './daemon.js'
import { type Process, until } from './processes.js'
import type { Namespace } from './topology.js'

const SCRIPT = join(ROOT, 'test/device/harness/frames.py')

/** The source address of all frames that tests make: locally administered. */
export const SOURCE = '02 76 64 00 00 01'
const NO_VNET_HDR = '00'.repeat(10)
const SOURCE_AT = 6

export interface Frame {
  /** struct virtio_net_hdr, 10 bytes. */
  vnet: Buffer
  /** The frame from the destination address on, with VLAN tags. */
  bytes: Buffer
  /** The time to wait before the frame is sent. */
  pauseMs?: number
}

/** Parses a hex dump. Words that are no hex bytes are ignored, so that a frame can be annotated inline. */
export function hex(...dump: string[]): Buffer {
  return Buffer.concat(dump.map((line) => Buffer.from(line.replace(/#.*/, '').replace(/\s+/g, ''), 'hex')))
}

/** A frame without offloads. */
export function plain(bytes: Buffer): Frame {
  return { vnet: Buffer.from(NO_VNET_HDR, 'hex'), bytes }
}

/** Sends frames in order. Returns "sent" or the errno's name for each. */
export async function sendFrames(ns: Namespace, dev: string, frames: Frame[]): Promise<string[]> {
  const lines = frames.map(({ vnet, bytes, pauseMs = 0 }) => {
    return `${vnet.toString('hex')} ${bytes.toString('hex')} ${pauseMs}\n`
  })
  return (await ns.do(['python3', SCRIPT, 'send', dev], lines.join(''))).trim().split('\n')
}

/**
 * Records the frames of a device in both directions from now on: a first line, then one line per frame (frames.py,
 * sniff).
 */
export async function sniff(ns: Namespace, dev: string): Promise<Process> {
  const script = ns.start(['python3', SCRIPT, 'sniff', dev])
  await script.line(/^ready/m)
  return script
}

/** The result of eth_type_trans() for a frame: PACKET_* and ETH_P_*. */
export interface Classified {
  packetType: number
  protocol: number
}

/** Records from now on how the kernel classifies each frame from SOURCE that arrives at a device. */
export async function classifier(ns: Namespace, dev: string): Promise<Process> {
  const script = ns.start(['python3', SCRIPT, 'classify', dev])
  await script.line(/^ready/m)
  return script
}

/** Waits until all of `frames` have arrived, in this order, stops the classifier, and returns its records. */
export async function classified(script: Process, frames: Frame[]): Promise<Classified[]> {
  const lines = () => script.stdout.split('\n').slice(1, -1)
  await until('the frames to arrive', () => lines().length >= frames.length)
  script.feed('')
  return lines().map((line, i) => {
    const [packetType, protocol, bytes] = line.split(' ')
    if (bytes !== frames[i]?.bytes.toString('hex')) throw new Error(`frame ${i} arrived as ${bytes}`)
    return { packetType: Number(packetType), protocol: Number(protocol) }
  })
}

/** Records the frames that arrive at a device. */
export class FrameReceiver {
  readonly #process: Process

  static async on(ns: Namespace, dev: string): Promise<FrameReceiver> {
    const script = ns.start(['python3', SCRIPT, 'receive', dev])
    await script.line(/^ready/m)
    return new FrameReceiver(script)
  }

  constructor(script: Process) {
    this.#process = script
  }

  /** Waits for `last`, which must be the last frame that was sent, and returns all frames from SOURCE up to it. */
  async framesUntil(last: Frame): Promise<Frame[]> {
    const end = last.bytes.toString('hex')
    await until('the last frame to arrive', () => this.#process.stdout.includes(` ${end}\n`))
    return this.frames
  }

  /** All frames from SOURCE so far. */
  get frames(): Frame[] {
    const source = hex(SOURCE)
    const lines = this.#process.stdout.split('\n').slice(1, -1)
    return lines
      .map((line) => line.split(' ').map((word) => Buffer.from(word, 'hex')))
      .map(([vnet, bytes]) => ({ vnet, bytes }))
      .filter(({ bytes }) => bytes.subarray(SOURCE_AT, SOURCE_AT + source.length).equals(source))
  }

  stop(): void {
    this.#process.feed('')
  }
}
