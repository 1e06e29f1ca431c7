/**
 * Frames for the tests of this folder, and a simple slow checksum as a reference for the fast one.
 *
 * The frames were captured with AF_PACKET from a kernel veth with checksum offload off, between 10.0.0.1 and 10.0.0.2,
 * and fd00::1 and fd00::2. So the kernel computed every checksum in them.
 */

/** Bytes from lines of hexadecimal; what stands behind a `;` is a remark. */
export function hex(...lines: string[]): Uint8Array {
  const digits = lines.map((line) => line.replace(/;.*/, '')).join(' ')
  return Uint8Array.from(digits.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16))
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** RFC 1071 word for word: the sum of big-endian 16-bit words, a zero byte behind an odd end, carries added back. */
export function slowSum(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i] * 256 + (bytes[i + 1] ?? 0)
    if (sum > 0xffff) sum = sum - 0x10000 + 1
  }
  return sum
}

export const ETHERNET_IPV4 = hex('02 00 00 00 00 0b  02 00 00 00 00 0a  08 00 ; to b, from a, IPv4')
export const ETHERNET_IPV6 = hex('02 00 00 00 00 0b  02 00 00 00 00 0a  86 dd ; to b, from a, IPv6')
const FD00_1_TO_2 = 'fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01  fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02'

/** Offset of the network header in an untagged frame, and of what follows it without options. */
export const IP = 14
export const L4_OF_IPV4 = IP + 20
export const L4_OF_IPV6 = IP + 40

export const ICMP_FRAME = concat(
  ETHERNET_IPV4,
  hex(
    '45 00 00 25  8c c7 40 00  40 01 9a 0e ; 37 bytes, id, DF, TTL 64, ICMP, checksum',
    '0a 00 00 01  0a 00 00 02              ; 10.0.0.1 to 10.0.0.2',
    '08 00 74 d7  6f 17 00 01              ; echo request, checksum, id, sequence 1',
    '00 01 02 03  04 05 06 07  08',
  ),
)

export const UDP_FRAME = concat(
  ETHERNET_IPV4,
  hex(
    '45 00 00 21  09 a6 40 00  40 11 1d 24 ; 33 bytes, id, DF, TTL 64, UDP, checksum',
    '0a 00 00 01  0a 00 00 02              ; 10.0.0.1 to 10.0.0.2',
    'd5 b9 00 09  00 0d d2 3c              ; port 54713 to 9, 13 bytes, checksum',
    '68 65 6c 6c 6f                        ; hello',
  ),
)

export const TCP_FRAME = concat(
  ETHERNET_IPV4,
  hex(
    '45 00 00 37  30 1f 40 00  40 06 f6 9f ; 55 bytes, id, DF, TTL 64, TCP, checksum',
    '0a 00 00 01  0a 00 00 02              ; 10.0.0.1 to 10.0.0.2',
    'a1 2a 00 50  07 a6 54 cf  96 4b 05 b0 ; port 41258 to 80, seq, ack',
    '80 18 00 3f  76 cb 00 00              ; 32 bytes of header, PSH ACK, window, checksum, urgent',
    '01 01 08 0a  b1 74 59 67  bb a0 c6 da ; NOP NOP timestamps',
    '61 62 63                              ; abc',
  ),
)

export const UDP6_FRAME = concat(
  ETHERNET_IPV6,
  hex(
    '60 02 5f 0c  00 0d 11 40 ; flow label, 13 bytes, UDP, hop limit 64',
    FD00_1_TO_2,
    'bc 3a 00 09  00 0d 05 ba ; port 48186 to 9, 13 bytes, checksum',
    '68 65 6c 6c 6f           ; hello',
  ),
)

export const TCP6_FRAME = concat(
  ETHERNET_IPV6,
  hex(
    '60 0e cf d8  00 23 06 40              ; flow label, 35 bytes, TCP, hop limit 64',
    FD00_1_TO_2,
    'd6 64 00 50  33 82 9c e1  3b f9 50 fa ; port 54884 to 80, seq, ack',
    '80 18 00 40  ed 3a 00 00              ; 32 bytes of header, PSH ACK, window, checksum, urgent',
    '01 01 08 0a  4a ad e4 6f  6b 1e fc 88 ; NOP NOP timestamps',
    '61 62 63                              ; abc',
  ),
)

export const ICMPV6_FRAME = concat(
  ETHERNET_IPV6,
  hex(
    '60 0a f7 61  00 11 3a 40 ; flow label, 17 bytes, ICMPv6, hop limit 64',
    FD00_1_TO_2,
    '80 00 02 86  6f 18 00 01 ; echo request, checksum, id, sequence 1',
    '00 01 02 03  04 05 06 07  08',
  ),
)

/** A multicast listener report: ICMPv6 behind a hop-by-hop header. */
export const MLD_FRAME = hex(
  '33 33 00 00 00 16  02 00 00 00 00 0b  86 dd     ; to ff02::16, from b, IPv6',
  '60 00 00 00  00 38 00 01                        ; 56 bytes, hop-by-hop, hop limit 1',
  'fe 80 00 00 00 00 00 00  00 00 00 ff fe 00 00 0b',
  'ff 02 00 00 00 00 00 00  00 00 00 00 00 00 00 16',
  '3a 00 05 02  00 00 01 00                        ; then ICMPv6, 8 bytes, router alert, PadN',
  '8f 00 6f d7  00 00 00 02                        ; report, checksum, two records',
  '04 00 00 00  ff 02 00 00 00 00 00 00  00 00 00 01 ff 00 00 0b',
  '04 00 00 00  ff 02 00 00 00 00 00 00  00 00 00 01 ff 00 00 02',
)

/** The frame with tags put between its addresses and its EtherType. */
export function tagged(frame: Uint8Array, ...tags: Uint8Array[]): Uint8Array {
  return concat(frame.subarray(0, 12), ...tags, frame.subarray(12))
}

export const TAG_8021Q = hex('81 00 00 0a ; 802.1Q, VLAN 10')
export const TAG_8021AD = hex('88 a8 00 64 ; 802.1ad, VLAN 100')

/** A copy with `bytes` written at `at`. */
export function patched(frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(frame)
  copy.set(bytes, at)
  return copy
}

/** A copy in which the IPv4 header at `ip` has a right checksum again. */
export function withIpv4Checksum(frame: Uint8Array, ip = IP): Uint8Array {
  const copy = patched(frame, ip + 10, 0, 0)
  const sum = slowSum(copy.subarray(ip, ip + (copy[ip] & 0xf) * 4)) ^ 0xffff
  return patched(copy, ip + 10, sum >> 8, sum & 0xff)
}
