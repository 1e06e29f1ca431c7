/**
 * Namespace ids: the small numbers by which one network namespace knows others.
 *
 * A NSID means something only in the namespace that gave it, and does not keep the other one alive; the numbers of
 * dead namespaces are given again. Neighbour: monitor.ts, which hears of namespaces by theirs. The kernel's side is
 * net/core/net_namespace.c, rtnl_net_newid and rtnl_net_getid.
 */
import { EEXIST } from '../abi/errno.js'
import { NLM_F_DUMP } from '../abi/netlink.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_UNSPEC } from '../abi/socket.js'
import { Attributes, u32Attribute } from './codec.js'
import { NetlinkError, type Rtnetlink } from './socket.js'

/** struct rtgenmsg, padded. */
const RTGENMSG = Uint8Array.of(AF_UNSPEC, 0, 0, 0)

/** The NSID of the namespace `netnsFd` as the socket's namespace knows it, given now if it has none. */
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
  return readNsid(reply.payload).nsid
}

/**
 * Translates: the namespace that `there`, a NSID of the socket's namespace, knows as `nsid`, in the numbers of the
 * socket's namespace. NETNSA_NSID_NOT_ASSIGNED when it has no number here. A dump of all that is known there, since
 * the kernel translates a single NSID only the other way.
 */
export function translateNsid(rtnl: Rtnetlink, there: number, nsid: number): number {
  const known = rtnl.request({
    type: abi.RTM_GETNSID,
    flags: NLM_F_DUMP,
    header: RTGENMSG,
    attributes: [u32Attribute(abi.NETNSA_TARGET_NSID, there)],
    subject: `the namespaces known to NSID ${there}`,
  })
  const found = known.map((reply) => readNsid(reply.payload)).find((entry) => entry.nsid === nsid)
  return found?.currentNsid ?? abi.NETNSA_NSID_NOT_ASSIGNED
}

/** The payload of a RTM_NEWNSID or RTM_DELNSID; `currentNsid` is there in the answer to a translation only. */
export function readNsid(payload: Uint8Array): { nsid: number; currentNsid: number } {
  const attributes = new Attributes(payload, RTGENMSG.length)
  return {
    nsid: attributes.i32(abi.NETNSA_NSID) ?? abi.NETNSA_NSID_NOT_ASSIGNED,
    currentNsid: attributes.i32(abi.NETNSA_CURRENT_NSID) ?? abi.NETNSA_NSID_NOT_ASSIGNED,
  }
}
