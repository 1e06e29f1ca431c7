/**
 * Offloads: what a TAP may leave to us, and whether the kernel really takes it back.
 *
 * They are negotiated by trying, downwards from all that is known, and each kind of super-frame is then written to a
 * scratch device: some stable kernels accept the bit and refuse the frame.
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { EINVAL } from '../abi/errno.js'
import * as tun from '../abi/if-tun.js'
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
} from '../abi/virtio-net.js'
import { getLink, setLink } from '../netlink/link.js'
import { inNetns } from '../netlink/socket.js'
import type { ChecksumMode } from './options.js'
import { VNET_HDR_LEN } from './xmit.js'

export interface OffloadReport {
  /** TUN_F_* that work. */
  mask: number
  /** Their names, `CSUM`, `TSO4`, … */
  names: string[]
  /** Those that do not, each with what the kernel said. */
  refused: string[]
  /** IFF_* that the tun driver offers. */
  tunFeatures: number
}

/** Bits that go together; all of a group or none. */
const GROUPS: [name: string, mask: number, superFrame?: () => Uint8Array][] = [
  ['CSUM', tun.TUN_F_CSUM],
  ['TSO4', tun.TUN_F_TSO4, () => tcpSuperFrame(4)],
  ['TSO6', tun.TUN_F_TSO6, () => tcpSuperFrame(6)],
  ['ECN', tun.TUN_F_TSO_ECN],
  ['USO', tun.TUN_F_USO4 | tun.TUN_F_USO6, () => udpSuperFrame()],
]

/** What a device of a pair offers to its stack in a checksum mode, out of what works. */
export function offloadsFor(mode: ChecksumMode, working: number): number {
  if (mode === 'verify') return 0
  return mode === 'software' ? working & tun.TUN_F_CSUM : working
}

/** Tries all offloads on a scratch device in the given namespace. */
export function probeOffloads(scratchNetns: number): OffloadReport {
  return inNetns(scratchNetns, (rtnl) => {
    const fd = native().tapOpen('', tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_VNET_HDR | tun.IFF_TUN_EXCL)
    try {
      native().tapSetVnetHdrSize(fd, VNET_HDR_LEN)
      setLink(rtnl, getLink(rtnl, { name: native().tapGetInterface(fd).name })!.index, { up: true })
      const report: OffloadReport = { mask: 0, names: [], refused: [], tunFeatures: native().tapGetFeatures(fd) }
      for (const [name, mask, superFrame] of GROUPS) {
        const refusal = tryOffload(fd, report.mask | mask, superFrame)
        if (refusal !== undefined) report.refused.push(`${name}: ${refusal}`)
        else {
          report.mask |= mask
          report.names.push(name)
        }
      }
      return report
    } finally {
      native().close(fd)
    }
  })
}

/** Why not, or undefined when it works. */
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

/** 3000 bytes of TCP, to be cut at 1000; between addresses that nobody has (192.0.2.0/24, 2001:db8::/32). */
function tcpSuperFrame(version: 4 | 6): Uint8Array {
  const l4 = [...TCP_HEADER, ...new Array(PAYLOAD).fill(0)]
  const gsoType = version === 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6
  return version === 4 ? withIpv4(gsoType, 6, l4, 16) : withIpv6(gsoType, 6, l4, 16)
}

/** 3000 bytes of UDP over IPv4, to be cut at 1000. */
function udpSuperFrame(): Uint8Array {
  const length = 8 + PAYLOAD
  const l4 = [0x04, 0, 0x04, 0, length >> 8, length & 0xff, 0, 0, ...new Array(PAYLOAD).fill(0)]
  return withIpv4(VIRTIO_NET_HDR_GSO_UDP_L4, 17, l4, 6)
}

function withIpv4(gsoType: number, protocol: number, l4: number[], csumOffset: number): Uint8Array {
  const total = 20 + l4.length
  const ip = [0x45, 0, total >> 8, total & 0xff, 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
  return Uint8Array.from([...vnetHdr(gsoType, 14 + 20, csumOffset), ...ETH_IPV4, ...ip, ...l4])
}

function withIpv6(gsoType: number, protocol: number, l4: number[], csumOffset: number): Uint8Array {
  const address = (last: number): number[] => [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), last]
  const ip = [0x60, 0, 0, 0, l4.length >> 8, l4.length & 0xff, protocol, 64, ...address(1), ...address(2)]
  return Uint8Array.from([...vnetHdr(gsoType, 14 + 40, csumOffset), ...ETH_IPV6, ...ip, ...l4])
}

/** struct virtio_net_hdr_mrg_rxbuf of a frame whose checksum is to be completed from `csumStart` on. */
function vnetHdr(gsoType: number, csumStart: number, csumOffset: number): Uint8Array {
  const header = new Uint8Array(VNET_HDR_LEN)
  header[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM
  header[1] = gsoType
  new Uint16Array(header.buffer, 2, 4).set([0, GSO_SIZE, csumStart, csumOffset])
  return header
}
