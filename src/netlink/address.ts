/**
 * IP addresses of a link: add, remove, list.
 *
 * Neighbours: ip-address.ts for the text, rtnetlink.ts for the way. The kernel's side is net/ipv4/devinet.c and
 * net/ipv6/addrconf.c.
 */
import { NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from '../abi/netlink.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_UNSPEC } from '../abi/socket.js'
import { Attributes, bytesAttribute, HOST_LITTLE_ENDIAN, u32Attribute, viewOf } from './codec.js'
import { formatIpAddress, parseIpPrefix } from './ip-address.js'
import type { Request, Rtnetlink } from './rtnetlink.js'

export interface AddressInfo {
  /** ifindex of the link that holds it. */
  index: number
  /** `192.168.1.1`. */
  address: string
  prefixLength: number
  /** IFA_F_*. */
  flags: number
  /** RT_SCOPE_*. */
  scope: number
}

/**
 * Adds `192.168.1.1/24` to a link. EEXIST if the link already has it. An IPv6 address is tentative for a second or two, unless
 * `nodad` omits duplicate address detection.
 */
export function addAddress(rtnl: Rtnetlink, index: number, prefix: string, options: { nodad?: boolean } = {}): void {
  rtnl.request({
    ...addressRequest(abi.RTM_NEWADDR, index, prefix, options.nodad === true ? abi.IFA_F_NODAD : undefined),
    flags: NLM_F_CREATE | NLM_F_EXCL,
  })
}

/** Removes an address, given as when it was added. EADDRNOTAVAIL if the link does not have it. */
export function removeAddress(rtnl: Rtnetlink, index: number, prefix: string): void {
  rtnl.request(addressRequest(abi.RTM_DELADDR, index, prefix))
}

/** The addresses of a link, IPv4 first. */
export function listAddresses(rtnl: Rtnetlink, index: number): AddressInfo[] {
  return rtnl
    .request({ type: abi.RTM_GETADDR, flags: NLM_F_DUMP, header: ifaddrmsg({ family: AF_UNSPEC, index }) })
    .map((reply) => readAddress(reply.payload))
    .filter((address) => address.index === index)
}

function addressRequest(type: number, index: number, prefix: string, flags?: number): Request {
  const parsed = parseIpPrefix(prefix)
  return {
    type,
    header: ifaddrmsg({ ...parsed, index }),
    attributes: [
      bytesAttribute(abi.IFA_LOCAL, parsed.bytes),
      bytesAttribute(abi.IFA_ADDRESS, parsed.bytes),
      u32Attribute(abi.IFA_FLAGS, flags),
    ],
    subject: `${prefix} on ifindex ${index}`,
  }
}

/** struct ifaddrmsg with scope universe. */
function ifaddrmsg(address: { family: number; prefixLength?: number; index: number }): Uint8Array {
  const header = new Uint8Array(abi.IFADDRMSG_SIZE)
  header[abi.IFADDRMSG_FAMILY] = address.family
  header[abi.IFADDRMSG_PREFIXLEN] = address.prefixLength ?? 0
  viewOf(header).setUint32(abi.IFADDRMSG_INDEX, address.index, HOST_LITTLE_ENDIAN)
  return header
}

/** The payload of a RTM_NEWADDR. IFA_LOCAL is IPv4's, IPv6 has IFA_ADDRESS alone. */
export function readAddress(payload: Uint8Array): AddressInfo {
  const header = new Uint8Array(abi.IFADDRMSG_SIZE)
  header.set(payload.subarray(0, abi.IFADDRMSG_SIZE))
  const attributes = new Attributes(payload, abi.IFADDRMSG_SIZE)
  const address = attributes.bytes(abi.IFA_LOCAL) ?? attributes.bytes(abi.IFA_ADDRESS)
  return {
    index: viewOf(header).getUint32(abi.IFADDRMSG_INDEX, HOST_LITTLE_ENDIAN),
    address: address === undefined ? '' : formatIpAddress(address),
    prefixLength: header[abi.IFADDRMSG_PREFIXLEN],
    flags: attributes.u32(abi.IFA_FLAGS) ?? header[abi.IFADDRMSG_FLAGS],
    scope: header[abi.IFADDRMSG_SCOPE],
  }
}
