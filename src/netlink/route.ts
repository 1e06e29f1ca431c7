/**
 * Routes: add one to the main table.
 *
 * Neighbours: ip-address.ts for the text, socket.ts for the way. The kernel's side is net/ipv4/fib_frontend.c and
 * net/ipv6/route.c.
 */
import { NLM_F_CREATE, NLM_F_EXCL } from '../abi/netlink.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_INET } from '../abi/socket.js'
import { VethdError } from '../errors.js'
import { bytesAttribute, u32Attribute } from './codec.js'
import { parseIpAddress, parseIpPrefix } from './ip-address.js'
import type { Rtnetlink } from './socket.js'

/** Where packets go; a gateway, a link, or both. */
export interface Route {
  /** `192.168.7.0/24`, or `default`: then the gateway says of which family. */
  to: string
  via?: string
  /** ifindex. */
  dev?: number
}

/**
 * `ip route add TO [via GATEWAY] [dev DEV]`. EEXIST when the main table has one to the same prefix, ENETUNREACH when
 * the gateway is not on a link. A default route without a gateway is IPv4's, as with `ip`.
 */
export function addRoute(rtnl: Rtnetlink, route: Route): void {
  const gateway = route.via === undefined ? undefined : parseIpAddress(route.via)
  const prefix = route.to === 'default' ? undefined : parseIpPrefix(route.to)
  const family = prefix?.family ?? gateway?.family ?? AF_INET
  if (gateway !== undefined && gateway.family !== family) {
    throw new VethdError('ARGUMENT_INVALID', `the gateway ${route.via} is not of the same family as ${route.to}`)
  }
  const header = new Uint8Array(abi.RTMSG_SIZE)
  header[abi.RTMSG_FAMILY] = family
  header[abi.RTMSG_DST_LEN] = prefix?.prefixLength ?? 0
  header[abi.RTMSG_TABLE] = abi.RT_TABLE_MAIN
  header[abi.RTMSG_PROTOCOL] = abi.RTPROT_BOOT
  header[abi.RTMSG_SCOPE] = gateway === undefined && family === AF_INET ? abi.RT_SCOPE_LINK : abi.RT_SCOPE_UNIVERSE
  header[abi.RTMSG_TYPE] = abi.RTN_UNICAST
  rtnl.request({
    type: abi.RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header,
    attributes: [
      bytesAttribute(abi.RTA_DST, prefix?.bytes),
      bytesAttribute(abi.RTA_GATEWAY, gateway?.bytes),
      u32Attribute(abi.RTA_OIF, route.dev),
    ],
    subject: `the route to ${route.to}`,
  })
}
