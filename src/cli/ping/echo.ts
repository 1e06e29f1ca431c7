/**
 * ICMP and ICMPv6 echo (RFC 792, RFC 4443): the bytes of a request, how many frames carry it, and what a packet from a
 * raw socket says about it. Neighbour: socket.ts, which sends and receives them.
 *
 * A raw IPv4 socket receives with the IP header, a raw ICMPv6 one without. The kernel computes the checksum of ICMPv6.
 */
import { ETH_HLEN } from '../../abi/ether.js'
import {
  ICMPHDR_CHECK,
  ICMPHDR_LEN,
  IPHDR_LEN,
  IPHDR_PROTOCOL,
  IPPROTO_FRAGMENT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPV6HDR_LEN,
  IPV6HDR_NEXTHDR,
} from '../../abi/ip.js'
import { checksumAdd, checksumFinish } from '../../frame/checksum.js'

export type Family = 4 | 6

/** The most data that one IPv4 packet has room for; ping's limit, too. */
export const MAX_SIZE = 65507

// struct icmphdr: type, code, checksum, then identifier and sequence number of an echo
const [ID, SEQUENCE] = [4, 6]
const REQUEST = { 4: 8, 6: 128 } as const
const REPLY = { 4: 0, 6: 129 } as const
const FRAGMENT_HEADER_LEN = 8

/** ICMP errors in the words of ping, by type; by code where the code says more. */
const ERRORS: Record<Family, Record<number, { text: string; codes?: string[] }>> = {
  4: {
    3: {
      text: 'Destination Unreachable',
      codes: [
        'Destination Net Unreachable',
        'Destination Host Unreachable',
        'Destination Protocol Unreachable',
        'Destination Port Unreachable',
        'Frag needed and DF set',
        'Source Route Failed',
        'Destination Net Unknown',
        'Destination Host Unknown',
        'Source Host Isolated',
        'Destination Net Prohibited',
        'Destination Host Prohibited',
        'Destination Net Unreachable for Type of Service',
        'Destination Host Unreachable for Type of Service',
        'Packet filtered',
      ],
    },
    11: { text: 'Time exceeded' },
    12: { text: 'Parameter problem' },
  },
  6: {
    1: {
      text: 'Destination unreachable',
      codes: [
        'Destination unreachable: No route',
        'Destination unreachable: Administratively prohibited',
        'Destination unreachable: Beyond scope of source address',
        'Destination unreachable: Address unreachable',
        'Destination unreachable: Port unreachable',
      ],
    },
    2: { text: 'Packet too big' },
    3: { text: 'Time exceeded' },
    4: { text: 'Parameter problem' },
  },
}

/** What came back for the request `seq`: its reply, or an ICMP error in words. */
export interface Answer {
  seq: number
  error?: string
}

/** An echo request without its IP header. Its `size` bytes of data count up, as ping's do. */
export function echoRequest(family: Family, id: number, seq: number, size: number): Buffer {
  const packet = Buffer.alloc(ICMPHDR_LEN + size)
  packet[0] = REQUEST[family]
  packet.writeUInt16BE(id, ID)
  packet.writeUInt16BE(seq, SEQUENCE)
  for (let i = 0; i < size; i++) packet[ICMPHDR_LEN + i] = i
  if (family === 4) packet.writeUInt16BE(checksumFinish(checksumAdd(packet, 0, packet.length, 0)), ICMPHDR_CHECK)
  return packet
}

/** What the packet says about a request with the identifier `id`; undefined for all other packets. */
export function readAnswer(family: Family, id: number, packet: Buffer): Answer | undefined {
  const icmp = family === 4 ? packet.subarray(ipv4HeaderLen(packet)) : packet
  if (icmp.length < ICMPHDR_LEN) return undefined
  if (icmp[0] === REPLY[family]) {
    return icmp.readUInt16BE(ID) === id ? { seq: icmp.readUInt16BE(SEQUENCE) } : undefined
  }
  const known = ERRORS[family][icmp[0]]
  const request = known && quotedRequest(family, icmp.subarray(ICMPHDR_LEN))
  if (request === undefined || request.readUInt16BE(ID) !== id) return undefined
  return { seq: request.readUInt16BE(SEQUENCE), error: known.codes?.[icmp[1]] ?? known.text }
}

/** The echo request in the packet that an ICMP error quotes. */
function quotedRequest(family: Family, quoted: Buffer): Buffer | undefined {
  let offset = family === 4 ? ipv4HeaderLen(quoted) : IPV6HDR_LEN
  let protocol = quoted[family === 4 ? IPHDR_PROTOCOL : IPV6HDR_NEXTHDR]
  if (family === 6 && protocol === IPPROTO_FRAGMENT) {
    protocol = quoted[offset]
    offset += FRAGMENT_HEADER_LEN
  }
  const icmp = quoted.subarray(offset)
  const isRequest = protocol === (family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) && icmp[0] === REQUEST[family]
  return isRequest && icmp.length >= ICMPHDR_LEN ? icmp : undefined
}

/** IHL, in words of four bytes. */
function ipv4HeaderLen(packet: Buffer): number {
  return ((packet[0] ?? 0) & 0xf) * 4
}

/** The frames that one echo of `size` bytes takes on a link with this MTU, and their bytes with all headers. */
export function framesOf(family: Family, size: number, mtu: number): { packets: number; bytes: number } {
  const data = ICMPHDR_LEN + size
  const header = family === 4 ? IPHDR_LEN : IPV6HDR_LEN
  if (header + data <= mtu) return { packets: 1, bytes: ETH_HLEN + header + data }
  const fragmentHeader = header + (family === 6 ? FRAGMENT_HEADER_LEN : 0)
  const packets = Math.ceil(data / ((mtu - fragmentHeader) & ~7))
  return { packets, bytes: packets * (ETH_HLEN + fragmentHeader) + data }
}
