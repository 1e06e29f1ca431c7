/**
 * Frames in a word, for the table: `DEST/TYPE/LEN`, and `*N` for N of them.
 *
 *     all/0806/60          to ff:ff:ff:ff:ff:ff, ARP, 60 bytes with its header
 *     group/88cc/200       to a multicast address
 *     other/0800/1514      to an address that nobody has;  v2: to 02:00:00:00:00:02, which a row can give to a device
 *     other/8100/1518      a VLAN tag in the frame
 *     gso/5000/1000        5000 bytes of TCP to an address that nobody has, to be cut into segments of 1000
 *     stream/5/CHANGE…     the first 5 segments of a TCP connection, 4 bytes each, checksums left to the device
 *
 * A CHANGE is `window=501` for all of them, `3:window=501` from the third on, `3!window=501` for the third alone; the keys are
 * those of FrameFields, `seq=+8` and `id=+1` shift what would be there, and `flows=2` has each segment of two connections, and
 * `pause=20` lets 20 ms pass before each.
 *
 * What fills a frame is its own number, so that frames that change places are told apart.
 */
import { type Frame, hex, plain, SOURCE } from '../device/harness/frames.js'
import { type FrameFields, segment, VNET_HDR_LEN } from '../unit/frame/gro-frames.js'

const DESTINATIONS: Record<string, string> = {
  all: 'ff ff ff ff ff ff',
  group: '01 80 c2 00 00 0e',
  v2: '02 00 00 00 00 02',
  other: '02 76 64 00 00 02',
}
const ETH_HLEN = 14

export function framesOf(words: string[]): Frame[] {
  const frames: Frame[] = []
  for (const word of words) {
    if (word.startsWith('stream/')) {
      frames.push(...stream(word))
      continue
    }
    const [spec, count = '1'] = word.split('*')
    for (let i = 0; i < Number(count); i++) frames.push(frameOf(spec, frames.length))
  }
  return frames
}

function frameOf(spec: string, number: number): Frame {
  const [destination, type, len] = spec.split('/')
  if (destination === 'gso') return superFrame(Number(type), Number(len))
  const bytes = Buffer.alloc(Math.max(ETH_HLEN, Number(len)), number & 0xff)
  hex(DESTINATIONS[destination], SOURCE, type).copy(bytes)
  return plain(bytes.subarray(0, Number(len)))
}

/** `payload` bytes of TCP over IPv4, whose checksum is left to the device, in one super-frame. */
function superFrame(payload: number, segment: number): Frame {
  // struct virtio_net_hdr: NEEDS_CSUM, TCPV4, hdr_len 54, gso_size, csum_start 34, csum_offset 16
  const vnet = hex('01 01 36 00', '00 00 22 00 10 00')
  vnet.writeUInt16LE(segment, 4)
  const ip = hex('45 00 00 00 00 01 40 00 40 06 00 00 c0 00 02 01 c0 00 02 02')
  ip.writeUInt16BE(40 + payload, 2)
  const tcp = hex('04 00 04 00 00 00 00 01 00 00 00 01 50 10 ff ff 00 00 00 00')
  return { vnet, bytes: Buffer.concat([hex(DESTINATIONS.other, SOURCE, '08 00'), ip, tcp, Buffer.alloc(payload)]) }
}

function stream(word: string): Frame[] {
  const [, count, ...changes] = word.split('/')
  const flows = Number(changes.find((change) => change.startsWith('flows='))?.slice('flows='.length) ?? 1)
  return Array.from({ length: Number(count) }, (_, i) =>
    Array.from({ length: flows }, (_, flow) => segmentOf(i, flow, changes)),
  ).flat()
}

function segmentOf(i: number, flow: number, changes: string[]): Frame {
  const fields: Record<string, unknown> = { seq: 4 * i, id: 1 + i, payload: [i, flow, 0, i], sourcePort: 1000 + flow }
  for (const change of changes) {
    const [, from = '1', only, key, value] = /^(?:(\d+)([:!]))?(\w+)=(.*)$/.exec(change)!
    if (only === '!' ? Number(from) === i + 1 : Number(from) <= i + 1) fields[key] = parseValue(value, fields[key])
  }
  const frame = Buffer.from(segment(fields as FrameFields))
  const bytes = frame.subarray(VNET_HDR_LEN)
  hex(SOURCE).copy(bytes, 6)
  return { vnet: frame.subarray(0, 10), bytes, pauseMs: Number(fields.pause ?? 0) }
}

function parseValue(text: string, before: unknown): unknown {
  if (text.startsWith('+')) return Number(before) + Number(text)
  if (text.includes('.')) return text.split('.').slice(1).map(Number)
  return Number.isNaN(Number(text)) ? text : Number(text)
}
