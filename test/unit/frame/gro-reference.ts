/**
 * A simple slow reference of Linux's GRO: which frames of a burst are merged, in the order of delivery. It follows
 * inet_gro_receive(), ipv6_gro_receive(), tcp_gro_receive() and udp_gro_receive_segment(), with the stricter rules that
 * src/frame/gro.ts lists.
 */
import { slowSum } from './fixtures.js'
import { CWR, DATA_VALID, DF, FIN, NEEDS_CSUM, PSH, parse, RST, SYN, URG, VNET_HDR_LEN } from './gro-frames.js'

const IP = VNET_HDR_LEN + 14
const MAX_RUNS = 8

interface Run {
  flow: string
  frames: Uint8Array[]
}

/** The frames of a burst, in groups: each is delivered as one. */
export function groups(frames: Uint8Array[]): Uint8Array[][] {
  const delivered: Uint8Array[][] = []
  let runs: Run[] = []
  const deliver = (run: Run): void => {
    runs = runs.filter((other) => other !== run)
    delivered.push(run.frames)
  }
  for (const frame of frames) {
    const flow = flowOf(frame)
    const mine = runs.filter((run) => flow === 'any' || run.flow === flow)
    if (!isMergeable(frame)) {
      for (const run of mine) deliver(run)
      delivered.push([frame])
      continue
    }
    const [run] = mine
    if (run !== undefined && continues(run.frames, frame)) {
      run.frames.push(frame)
      if (isLast(run.frames)) deliver(run)
      continue
    }
    if (run !== undefined) deliver(run)
    if (parse(frame).protocol === 6 && (flags(frame) & (PSH | FIN)) !== 0) delivered.push([frame])
    else {
      if (runs.length === MAX_RUNS) deliver(runs[0])
      runs.push({ flow: flow as string, frames: [frame] })
    }
  }
  return [...delivered, ...runs.map((run) => run.frames)]
}

/** Version, addresses and ports; `any` when they cannot be known; undefined when it has none. */
export function flowOf(frame: Uint8Array): string | undefined {
  const ethertype = (frame[VNET_HDR_LEN + 12] << 8) | frame[VNET_HDR_LEN + 13]
  if (ethertype !== 0x0800 && ethertype !== 0x86dd) return undefined
  const left = frame.length - IP
  const version = ethertype === 0x0800 ? 4 : 6
  if (frame[IP] >> 4 !== version || left < (version === 4 ? 20 : 40)) return 'any'
  const view = new DataView(frame.buffer, frame.byteOffset)
  let l4 = version === 4 ? (frame[IP] & 15) * 4 : 40
  const packet = version === 4 ? view.getUint16(IP + 2) : 40 + view.getUint16(IP + 4)
  if (packet > left || packet < l4 || l4 < 20) return 'any'
  let protocol = version === 4 ? frame[IP + 9] : frame[IP + 6]
  let fragment = version === 4 && (view.getUint16(IP + 6) & 0x3fff) !== 0
  while (version === 6 && [0, 43, 44, 51, 60].includes(protocol) && !fragment) {
    if (l4 + 8 > packet) return 'any'
    if (protocol === 44 && (view.getUint16(IP + l4 + 2) & 0xfff9) !== 0) fragment = true
    const len = protocol === 44 ? 8 : protocol === 51 ? (frame[IP + l4 + 1] + 2) * 4 : (frame[IP + l4 + 1] + 1) * 8
    if (l4 + len > packet) return 'any'
    protocol = frame[IP + l4]
    l4 += len
  }
  if (protocol !== 6 && protocol !== 17) return undefined
  if (fragment || l4 + 4 > left) return 'any'
  const addresses = version === 4 ? frame.subarray(IP + 12, IP + 20) : frame.subarray(IP + 8, IP + 40)
  return `${version} ${addresses} ${frame.subarray(IP + l4, IP + l4 + 4)}`
}

function isMergeable(frame: Uint8Array): boolean {
  const ethertype = (frame[VNET_HDR_LEN + 12] << 8) | frame[VNET_HDR_LEN + 13]
  const version = ethertype === 0x0800 ? 4 : ethertype === 0x86dd ? 6 : 0
  if (version === 0 || frame[1] !== 0) return false
  const headerLen = version === 4 ? 20 : 40
  if (frame.length < IP + headerLen || (version === 4 ? frame[IP] !== 0x45 : frame[IP] >> 4 !== 6)) return false
  const view = new DataView(frame.buffer, frame.byteOffset)
  const packetLen = version === 4 ? view.getUint16(IP + 2) : 40 + view.getUint16(IP + 4)
  if (packetLen !== frame.length - IP) return false
  if (version === 4 && (view.getUint16(IP + 6) & ~DF) !== 0) return false
  if (version === 4 && slowSum(frame.subarray(IP, IP + 20)) !== 0xffff) return false
  const protocol = version === 4 ? frame[IP + 9] : frame[IP + 6]
  const l4 = IP + headerLen
  const len = frame.length - l4
  if (protocol === 6) {
    const doff = len < 20 ? 0 : (frame[l4 + 12] >> 4) * 4
    if (doff < 20 || doff >= len || (frame[l4 + 13] & (SYN | RST | URG | CWR)) !== 0) return false
  } else if (protocol === 17) {
    if (len <= 8 || view.getUint16(l4 + 4) !== len || view.getUint16(l4 + 6) === 0) return false
  } else return false
  return hasGoodChecksum(frame, version, protocol, l4)
}

function hasGoodChecksum(frame: Uint8Array, version: number, protocol: number, l4: number): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset)
  if (frame[0] === NEEDS_CSUM)
    return view.getUint16(6, true) === l4 - VNET_HDR_LEN && view.getUint16(8, true) === (protocol === 6 ? 16 : 6)
  if (frame[0] === DATA_VALID) return true
  const addresses = version === 4 ? frame.subarray(IP + 12, IP + 20) : frame.subarray(IP + 8, IP + 40)
  const len = frame.length - l4
  return slowSum(Uint8Array.from([...addresses, 0, protocol, len >> 8, len & 255, ...frame.subarray(l4)])) === 0xffff
}

function flags(frame: Uint8Array): number {
  return frame[parse(frame).l4 + 13]
}

/** May `frame` follow those of a run of its flow? */
function continues(run: Uint8Array[], frame: Uint8Array): boolean {
  const [a, b] = [parse(run[0]), parse(frame)]
  if (`${a.ethernet}` !== `${b.ethernet}` || a.protocol !== b.protocol) return false
  if (b.payload.length > a.payload.length) return false
  if (
    run.reduce((sum, one) => sum + parse(one).payload.length, run[0].length - IP - a.payload.length) +
      b.payload.length >=
    65536
  )
    return false
  return (
    (a.version === 4 ? ipv4Continues(run, frame) : ipv6Continues(run[0], frame)) &&
    (b.protocol === 17 || tcpContinues(run, frame))
  )
}

function ipv4Continues(run: Uint8Array[], frame: Uint8Array): boolean {
  const [a, b] = [parse(run[0]), parse(frame)]
  for (const at of [1, 6, 7, 8]) if (a.ip[at] !== b.ip[at]) return false // TOS, DF, TTL
  const constant = (a.ip[6] & 0x40) !== 0 && parse(run[1] ?? frame).id === a.id
  return b.id === (constant ? a.id : (a.id + run.length) & 0xffff)
}

function ipv6Continues(first: Uint8Array, frame: Uint8Array): boolean {
  const [a, b] = [parse(first), parse(frame)]
  return [0, 1, 2, 3, 7].every((at) => a.ip[at] === b.ip[at])
}

function tcpContinues(run: Uint8Array[], frame: Uint8Array): boolean {
  const [a, b] = [parse(run[0]), parse(frame)]
  const before = parse(run[run.length - 1])
  if (b.seq !== (before.seq + before.payload.length) % 2 ** 32) return false
  const header = (at: ReturnType<typeof parse>, bytes: Uint8Array): number[] => {
    const tcp = [...bytes.subarray(at.l4, at.headerEnd)]
    tcp[13] &= ~(PSH | FIN)
    return [...tcp.slice(8, 16), ...tcp.slice(20)] // acknowledgement, length, flags, window; options
  }
  return `${header(a, run[0])}` === `${header(b, frame)}`
}

/** Does nothing go behind it? */
function isLast(run: Uint8Array[]): boolean {
  const [a, b] = [parse(run[0]), parse(run[run.length - 1])]
  if (b.payload.length < a.payload.length) return true
  return b.protocol === 17 ? run.length === 64 : (flags(run[run.length - 1]) & (PSH | FIN)) !== 0
}
