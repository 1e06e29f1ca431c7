/**
 * Offloads: which work a stack may leave to its TAP, and whether the kernel accepts such frames in a write.
 *
 * vethd tries each known offload. It also writes each kind of super-frame to a scratch device, because some stable
 * kernels accept the bit and refuse the frame.
 *
 * Super-frames inside UDP tunnels (VXLAN, Geneve) need a longer vnet header, which tun parses from Linux 6.17 on. The
 * length is chosen here, once for all devices of a process, so that a vnet header can be written as it was read.
 */

import { type NativeError, native } from '../../../native-bindings/index.js'
import { EINVAL } from '../../abi/errno.js'
import * as tun from '../../abi/if-tun.js'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4,
  VNET_HDR_HASH_TUNNEL_SIZE,
  VNET_HDR_MRG_RXBUF_SIZE,
} from '../../abi/virtio-net.js'
import { setVnetInnerNhOffset, setVnetOuterThOffset } from '../../frame/virtio-net-hdr.js'
import { getLink, setLink } from '../../netlink/link.js'
import { tapName } from '../../netlink/name.js'
import { inNetns } from '../../netlink/rtnetlink.js'
import type { ChecksumMode } from '../options.js'

export interface OffloadReport {
  /** TUN_F_* that work. */
  mask: number
  /** Their names, `CSUM`, `TSO4`, … */
  names: string[]
  /** Offloads that do not work, each with the kernel's answer. */
  refused: string[]
  /** IFF_* that the tun driver offers. */
  tunFeatures: number
  /** Bytes of the vnet header: 24 where super-frames in UDP tunnels work, else 12. */
  vnetHdrLen: number
}

/** Groups of bits that work together or not at all. A group may need groups before it. */
const GROUPS: [name: string, mask: number, superFrame?: () => Uint8Array][] = [
  ['CSUM', tun.TUN_F_CSUM],
  ['TSO4', tun.TUN_F_TSO4, () => tcpSuperFrame(4)],
  ['TSO6', tun.TUN_F_TSO6, () => tcpSuperFrame(6)],
  ['ECN', tun.TUN_F_TSO_ECN],
  ['USO', tun.TUN_F_USO4 | tun.TUN_F_USO6, () => udpSuperFrame()],
]
/** The groups that need a vnet header of 24 bytes. */
const TUNNEL_GROUPS: typeof GROUPS = [
  ['UDP_TUNNEL_GSO', tun.TUN_F_UDP_TUNNEL_GSO, () => vxlanSuperFrame(0)],
  ['UDP_TUNNEL_GSO_CSUM', tun.TUN_F_UDP_TUNNEL_GSO_CSUM, () => vxlanSuperFrame(VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM)],
]

/** The offloads that a device offers to its stack in a checksum mode. `working`: those that work here. */
export function offloadsFor(mode: ChecksumMode, working: number): number {
  if (mode === 'verify') return 0
  return mode === 'software' ? working & tun.TUN_F_CSUM : working
}

/** The name, such as `TSO4`, of the TUN_F_* bits of one kind of super-frame. */
export function offloadName(offloads: number): string {
  return [...GROUPS, ...TUNNEL_GROUPS].find(([, mask]) => (mask & offloads) !== 0)?.[0] ?? `0x${offloads.toString(16)}`
}

/** Tries all offloads, or those of `among`, on a scratch device in the given namespace. */
export function probeOffloads(scratchNetns: number, among = ~0): OffloadReport {
  return inNetns(scratchNetns, (rtnl) => {
    const fd = native().tapOpen('', tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_VNET_HDR | tun.IFF_TUN_EXCL, scratchNetns)
    try {
      setLink(rtnl, getLink(rtnl, { name: tapName(fd) })!.index, { up: true })
      const report: OffloadReport = {
        mask: 0,
        names: [],
        refused: [],
        tunFeatures: native().tapGetFeatures(fd),
        vnetHdrLen: VNET_HDR_MRG_RXBUF_SIZE,
      }
      tryGroups(fd, VNET_HDR_MRG_RXBUF_SIZE, within(GROUPS, among), report)
      tryGroups(fd, VNET_HDR_HASH_TUNNEL_SIZE, within(TUNNEL_GROUPS, among), report)
      if ((report.mask & tun.TUN_F_UDP_TUNNEL_GSO) !== 0) report.vnetHdrLen = VNET_HDR_HASH_TUNNEL_SIZE
      return report
    } finally {
      native().close(fd)
    }
  })
}

function within(groups: typeof GROUPS, among: number): typeof GROUPS {
  return groups.filter(([, mask]) => (mask & ~among) === 0)
}

function tryGroups(fd: number, vnetHdrLen: number, groups: typeof GROUPS, report: OffloadReport): void {
  native().tapSetVnetHdrSize(fd, vnetHdrLen)
  for (const [name, mask, superFrame] of groups) {
    const refusal = tryOffload(fd, report.mask | mask, superFrame)
    if (refusal !== undefined) report.refused.push(`${name}: ${refusal}`)
    else {
      report.mask |= mask
      report.names.push(name)
    }
  }
}

/** Returns why an offload does not work, or undefined if it does. */
function tryOffload(fd: number, mask: number, superFrame?: () => Uint8Array): string | undefined {
  try {
    native().tapSetOffload(fd, mask)
  } catch (error) {
    return (error as NativeError).code
  }
  const result = superFrame === undefined ? 0 : native().write(fd, superFrame())
  if (result >= 0) return undefined
  return result === -EINVAL
    ? 'accepted, but a super-frame is refused (EINVAL)'
    : `writing a super-frame: errno ${-result}`
}

const ETH_IPV4 = [0x02, 0, 0, 0, 0, 0xfe, 0x02, 0, 0, 0, 0, 0xfd, 0x08, 0x00]
const ETH_IPV6 = [0x02, 0, 0, 0, 0, 0xfe, 0x02, 0, 0, 0, 0, 0xfd, 0x86, 0xdd]
const PAYLOAD = 3000
const GSO_SIZE = 1000
const TCP_HEADER = [0x04, 0, 0x04, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]
const VXLAN_HEADER = [0x08, 0, 0, 0, 0, 0, 1, 0]
/** Offsets of headers in the frames below. */
const [TRANSPORT, TRANSPORT6] = [14 + 20, 14 + 40]
const INNER_IP = TRANSPORT + 8 + VXLAN_HEADER.length + 14

/** 3000 bytes of TCP with a gso_size of 1000, between documentation addresses (192.0.2.0/24, 2001:db8::/32). */
function tcpSuperFrame(version: 4 | 6): Uint8Array {
  return version === 4
    ? Uint8Array.from([...vnetHdr(VIRTIO_NET_HDR_GSO_TCPV4, TRANSPORT, 16), ...ETH_IPV4, ...ipv4(6, tcp())])
    : Uint8Array.from([...vnetHdr(VIRTIO_NET_HDR_GSO_TCPV6, TRANSPORT6, 16), ...ETH_IPV6, ...ipv6(6, tcp())])
}

/** 3000 bytes of UDP over IPv4 with a gso_size of 1000. */
function udpSuperFrame(): Uint8Array {
  const datagram = udp(0x0400, new Array(PAYLOAD).fill(0))
  return Uint8Array.from([...vnetHdr(VIRTIO_NET_HDR_GSO_UDP_L4, TRANSPORT, 6), ...ETH_IPV4, ...ipv4(17, datagram)])
}

/** 3000 bytes of TCP inside VXLAN with a gso_size of 1000. `flags`: VIRTIO_NET_HDR_F_* of the outer UDP header. */
function vxlanSuperFrame(flags: number): Uint8Array {
  const header = new Uint8Array(VNET_HDR_HASH_TUNNEL_SIZE)
  header.set(vnetHdr(VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4, INNER_IP + 20, 16))
  header[0] |= flags
  setVnetOuterThOffset(header, 0, TRANSPORT)
  setVnetInnerNhOffset(header, 0, INNER_IP)
  const inner = [...ETH_IPV4, ...ipv4(6, tcp())]
  return Uint8Array.from([...header, ...ETH_IPV4, ...ipv4(17, udp(4789, [...VXLAN_HEADER, ...inner]))])
}

function tcp(): number[] {
  return [...TCP_HEADER, ...new Array(PAYLOAD).fill(0)]
}

function udp(port: number, payload: number[]): number[] {
  const length = 8 + payload.length
  return [0x04, 0, port >> 8, port & 0xff, length >> 8, length & 0xff, 0, 0, ...payload]
}

function ipv4(protocol: number, l4: number[]): number[] {
  const total = 20 + l4.length
  const header = [0x45, 0, total >> 8, total & 0xff, 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
  return [...header, ...l4]
}

function ipv6(protocol: number, l4: number[]): number[] {
  const address = (last: number): number[] => [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), last]
  return [0x60, 0, 0, 0, l4.length >> 8, l4.length & 0xff, protocol, 64, ...address(1), ...address(2), ...l4]
}

/** struct virtio_net_hdr_mrg_rxbuf of a super-frame whose checksum is left to be completed from `csumStart` on. */
function vnetHdr(gsoType: number, csumStart: number, csumOffset: number): Uint8Array {
  const header = new Uint8Array(VNET_HDR_MRG_RXBUF_SIZE)
  header[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM
  header[1] = gsoType
  new Uint16Array(header.buffer, 2, 4).set([0, GSO_SIZE, csumStart, csumOffset])
  return header
}
