/**
 * Raw frames in tests: written as annotated hex, sent and received by frames.py.
 *
 * Neighbours: topology.ts runs the script. A receiver is asked for frames by their source address, because a stack
 * that is up also talks by itself.
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
  /** From the destination address on, VLAN tags included. */
  bytes: Buffer
  /** How long to wait before it is sent. */
  pauseMs?: number
}

/** Bytes written as in a hex dump; a word that is no hex byte is a remark, so that frames can be annotated in line. */
export function hex(...dump: string[]): Buffer {
  return Buffer.concat(dump.map((line) => Buffer.from(line.replace(/#.*/, '').replace(/\s+/g, ''), 'hex')))
}

/** A frame without offloads. */
export function plain(bytes: Buffer): Frame {
  return { vnet: Buffer.from(NO_VNET_HDR, 'hex'), bytes }
}

/** Sends frames in order; for each "sent", or the errno's name. */
export async function sendFrames(ns: Namespace, dev: string, frames: Frame[]): Promise<string[]> {
  const lines = frames.map(({ vnet, bytes, pauseMs = 0 }) => {
    return `${vnet.toString('hex')} ${bytes.toString('hex')} ${pauseMs}\n`
  })
  return (await ns.do(['python3', SCRIPT, 'send', dev], lines.join(''))).trim().split('\n')
}

/** Records from now on what passes by a device, in both directions: a line each (frames.py, sniff), after a first one. */
export async function sniff(ns: Namespace, dev: string): Promise<Process> {
  const script = ns.start(['python3', SCRIPT, 'sniff', dev])
  await script.line(/^ready/m)
  return script
}

/** What eth_type_trans() made of a frame: PACKET_* and ETH_P_*. */
export interface Classified {
  packetType: number
  protocol: number
}

/** Records from now on what the kernel makes of each frame from SOURCE that arrives at a device. */
export async function classifier(ns: Namespace, dev: string): Promise<Process> {
  const script = ns.start(['python3', SCRIPT, 'classify', dev])
  await script.line(/^ready/m)
  return script
}

/** What a classifier has recorded once all of `frames` have arrived, in this order; it is stopped. */
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

  /** All frames from SOURCE so far, up to `last`, which has to be the last one that was sent. */
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
