/**
 * Frames for the tests of GRO, made field by field, each after its vnet header. And a simple slow inverse: it cuts a
 * super-frame into segments as Linux's GSO does.
 */
import { slowSum } from './fixtures.js'

export const VNET_HDR_LEN = 12
const ETH = VNET_HDR_LEN
const IP = ETH + 14

export const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80]
export const NEEDS_CSUM = 1
export const DATA_VALID = 2
export const DF = 0x4000

/** One frame of a flow; what is left out is the first segment's of a plain stream. */
export interface FrameFields {
  version?: 4 | 6
  protocol?: 'tcp' | 'udp'
  payload?: number[]
  destination?: number[]
  /** Last byte of each address. */
  from?: number
  to?: number
  tos?: number
  ttl?: number
  id?: number
  fragOff?: number
  flowLabel?: number
  ipOptions?: number[]
  sourcePort?: number
  destinationPort?: number
  seq?: number
  ack?: number
  flags?: number
  window?: number
  tcpOptions?: number[]
  /** Left to the device, as a local stack does; otherwise computed. */
  needsCsum?: boolean
}

const be = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) & 0xff)

export function segment(fields: FrameFields = {}): Uint8Array {
  const { version = 4, protocol = 'tcp', payload = [1, 2, 3, 4], needsCsum = true } = fields
  const l4 = protocol === 'tcp' ? tcpHeader(fields) : udpHeader(fields, payload.length)
  const ip =
    version === 4 ? ipv4Header(fields, l4.length + payload.length) : ipv6Header(fields, l4.length + payload.length)
  const ethernet = [
    ...(fields.destination ?? [2, 0, 0, 0, 0, 1]),
    ...[2, 0, 0, 0, 0, 2],
    ...(version === 4 ? [0x08, 0x00] : [0x86, 0xdd]),
  ]
  const frame = Uint8Array.from([...new Array(VNET_HDR_LEN).fill(0), ...ethernet, ...ip, ...l4, ...payload])
  const l4Off = ETH + 14 + ip.length
  const field = l4Off + csumOffset(protocol)
  const pseudo = pseudoSum(frame, frame.length - l4Off)
  if (needsCsum) {
    frame[0] = NEEDS_CSUM
    new DataView(frame.buffer).setUint16(6, l4Off - ETH, true)
    new DataView(frame.buffer).setUint16(8, csumOffset(protocol), true)
    frame.set(be(pseudo, 2), field)
  } else
    frame.set(be(slowSum(Uint8Array.from([...be(pseudo, 2), ...frame.subarray(l4Off)])) ^ 0xffff || 0xffff, 2), field)
  return frame
}

function csumOffset(protocol: 'tcp' | 'udp'): number {
  return protocol === 'tcp' ? 16 : 6
}

function tcpHeader({ sourcePort = 1000, destinationPort = 80, seq = 0, ack = 1, ...rest }: FrameFields): number[] {
  const { flags = ACK, window = 500, tcpOptions = [] } = rest
  const doff = (20 + tcpOptions.length) / 4
  const ports = [...be(sourcePort, 2), ...be(destinationPort, 2)]
  return [...ports, ...be(seq, 4), ...be(ack, 4), doff << 4, flags, ...be(window, 2), 0, 0, 0, 0, ...tcpOptions]
}

function udpHeader({ sourcePort = 1000, destinationPort = 53 }: FrameFields, payloadLen: number): number[] {
  return [...be(sourcePort, 2), ...be(destinationPort, 2), ...be(8 + payloadLen, 2), 0, 0]
}

function ipv4Header(fields: FrameFields, len: number): number[] {
  const { tos = 0, ttl = 64, id = 1, fragOff = DF, from = 1, to = 2, ipOptions = [], protocol = 'tcp' } = fields
  const headerLen = 20 + ipOptions.length
  const addresses = [10, 0, 0, from, 10, 0, 0, to]
  const head = [0x40 | (headerLen / 4), tos, ...be(headerLen + len, 2), ...be(id, 2), ...be(fragOff, 2), ttl]
  const header = Uint8Array.from([...head, protocol === 'tcp' ? 6 : 17, 0, 0, ...addresses, ...ipOptions])
  header.set(be(slowSum(header) ^ 0xffff, 2), 10)
  return [...header]
}

function ipv6Header(fields: FrameFields, len: number): number[] {
  const { tos = 0, ttl = 64, flowLabel = 7, from = 1, to = 2, protocol = 'tcp' } = fields
  const address = (last: number): number[] => [0xfd, ...new Array(14).fill(0), last]
  const words = [...be(6 * 2 ** 28 + tos * 2 ** 20 + flowLabel, 4), ...be(len, 2)]
  return [...words, protocol === 'tcp' ? 6 : 17, ttl, ...address(from), ...address(to)]
}

/** The folded sum of the pseudo header for `len` bytes of TCP or UDP. */
function pseudoSum(frame: Uint8Array, len: number): number {
  const v6 = frame[IP] >> 4 === 6
  const addresses = v6 ? frame.subarray(IP + 8, IP + 40) : frame.subarray(IP + 12, IP + 20)
  return slowSum(Uint8Array.from([...addresses, 0, v6 ? frame[IP + 6] : frame[IP + 9], ...be(len, 2)]))
}

// --- Back again -------------------------------------------------------------------------------------------------

/** A frame's headers, taken apart without any care for speed. */
export function parse(frame: Uint8Array) {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const version = frame[IP] >> 4
  const l4 = IP + (version === 6 ? 40 : (frame[IP] & 0xf) * 4)
  const protocol = version === 6 ? frame[IP + 6] : frame[IP + 9]
  const headerEnd = l4 + (protocol === 6 ? (frame[l4 + 12] >> 4) * 4 : 8)
  return {
    view,
    version,
    l4,
    protocol,
    headerEnd,
    gsoType: frame[1],
    gsoSize: view.getUint16(4, true),
    ethernet: [...frame.subarray(ETH, IP)],
    ip: [...frame.subarray(IP, l4)],
    ports: [...frame.subarray(l4, l4 + 4)],
    payload: [...frame.subarray(headerEnd)],
    id: view.getUint16(IP + 4),
    seq: l4 + 8 <= frame.length ? view.getUint32(l4 + 4) : 0,
  }
}

/** What a receiver without GSO would get: the segments of a super-frame, or the frame itself, as GSO makes them. */
export function cut(frame: Uint8Array): Uint8Array[] {
  if (frame[1] === 0) return [frame]
  const { gsoSize, payload, headerEnd, version, l4, protocol, id, seq } = parse(frame)
  const segments: Uint8Array[] = []
  for (let at = 0; at < payload.length; at += gsoSize) {
    const piece = Uint8Array.from([...frame.subarray(0, headerEnd), ...payload.slice(at, at + gsoSize)])
    const view = new DataView(piece.buffer)
    const last = at + gsoSize >= payload.length
    piece[1] = 0
    view.setUint16(4, 0, true)
    if (version === 6) view.setUint16(IP + 4, piece.length - IP - 40)
    else {
      view.setUint16(IP + 2, piece.length - IP)
      view.setUint16(IP + 4, id + segments.length)
    }
    if (protocol === 17) view.setUint16(l4 + 4, piece.length - l4)
    else {
      view.setUint32(l4 + 4, seq + at)
      if (!last) piece[l4 + 13] &= ~(FIN | PSH)
    }
    segments.push(piece)
  }
  return segments
}

/**
 * The frame as its receiver understands it: every checksum computed, no vnet header; no urgent pointer without URG,
 * which GRO does not look at; and beside DF no IPv4 id, which then means nothing (RFC 6864), because a super-frame
 * cannot say that its ids are all the same. A frame that makes no sense is as it is.
 */
export function canonical(frame: Uint8Array): string {
  const copy = Uint8Array.from(frame).fill(0, 0, VNET_HDR_LEN)
  const { view, version, l4, protocol, headerEnd } = parse(copy)
  const least = protocol === 6 ? 20 : protocol === 17 ? 8 : Number.NaN
  if (!(headerEnd >= l4 + least && headerEnd <= copy.length && l4 >= IP + 20)) return Buffer.from(copy).toString('hex')
  if (protocol === 6 && (copy[l4 + 13] & URG) === 0) view.setUint16(l4 + 18, 0)
  if (version === 4) {
    if ((view.getUint16(IP + 6) & DF) !== 0) view.setUint16(IP + 4, 0)
    view.setUint16(IP + 10, 0)
    view.setUint16(IP + 10, slowSum(copy.subarray(IP, l4)) ^ 0xffff)
  }
  if (frame[0] === NEEDS_CSUM) {
    const field = l4 + (protocol === 17 ? 6 : 16)
    view.setUint16(field, pseudoSum(copy, copy.length - l4))
    view.setUint16(field, slowSum(copy.subarray(l4)) ^ 0xffff || 0xffff)
  }
  return Buffer.from(copy).toString('hex')
}
