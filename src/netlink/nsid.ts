/**
 * Namespace ids: the small numbers by which one network namespace knows others.
 *
 * An NSID is valid only in the namespace that assigned it, and does not keep the other namespace alive. The numbers of dead
 * namespaces are reused. Neighbour: monitor.ts, whose events carry NSIDs. The kernel's side is
 * net/core/net_namespace.c, rtnl_net_newid and rtnl_net_getid.
 */
import { EEXIST } from '../abi/errno.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_UNSPEC } from '../abi/socket.js'
import { Attributes, u32Attribute } from './codec.js'
import { NetlinkError, type Rtnetlink } from './rtnetlink.js'

/** struct rtgenmsg, padded. */
const RTGENMSG = Uint8Array.of(AF_UNSPEC, 0, 0, 0)

/** The NSID of the namespace `netnsFd` in the socket's namespace; assigned now if there is none. */
export function assignNsid(rtnl: Rtnetlink, netnsFd: number): number {
  const netns = u32Attribute(abi.NETNSA_FD, netnsFd)
  const subject = 'a network namespace'
  try {
    const chosenByKernel = u32Attribute(abi.NETNSA_NSID, abi.NETNSA_NSID_NOT_ASSIGNED)
    rtnl.request({ type: abi.RTM_NEWNSID, header: RTGENMSG, attributes: [chosenByKernel, netns], subject })
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === -EEXIST)) throw error
  }
  const [reply] = rtnl.request({ type: abi.RTM_GETNSID, header: RTGENMSG, attributes: [netns], subject })
  return readNsid(reply.payload)
}

/** The payload of a RTM_NEWNSID or RTM_DELNSID. */
export function readNsid(payload: Uint8Array): number {
  return new Attributes(payload, RTGENMSG.length).i32(abi.NETNSA_NSID) ?? abi.NETNSA_NSID_NOT_ASSIGNED
}
