/**
 * The root qdisc of a device: `noqueue`, as veth has it.
 *
 * A device starts with a default qdisc (pfifo_fast on a TAP, handle 0:), and gets it again with every move to another
 * namespace. Neighbour: rtnetlink.ts. The kernel's side is net/sched/sch_api.c, tc_modify_qdisc.
 */
import { EEXIST } from '../abi/errno.js'
import { NLM_F_CREATE, NLM_F_EXCL } from '../abi/netlink.js'
import * as abi from '../abi/rtnetlink.js'
import { HOST_LITTLE_ENDIAN, stringAttribute, viewOf } from './codec.js'
import { NetlinkError, type Rtnetlink } from './rtnetlink.js'

/**
 * The handle that the kernel itself gives to a device's first qdisc. The request must contain it: only with a handle does the
 * kernel refuse to replace another root qdisc. Without a handle, an "add" of another kind replaces it.
 */
const FIRST_HANDLE = 0x80010000

/**
 * `tc qdisc add dev … root handle 8001: noqueue`: replaces a default root qdisc. A qdisc that has a handle was chosen by a user
 * and stays: the kernel answers EEXIST atomically, and this returns false.
 */
export function setNoqueue(rtnl: Rtnetlink, index: number): boolean {
  const header = new Uint8Array(abi.TCMSG_SIZE)
  const view = viewOf(header)
  view.setInt32(abi.TCMSG_IFINDEX, index, HOST_LITTLE_ENDIAN)
  view.setUint32(abi.TCMSG_HANDLE, FIRST_HANDLE, HOST_LITTLE_ENDIAN)
  view.setUint32(abi.TCMSG_PARENT, abi.TC_H_ROOT, HOST_LITTLE_ENDIAN)
  try {
    rtnl.request({
      type: abi.RTM_NEWQDISC,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      header,
      attributes: [stringAttribute(abi.TCA_KIND, 'noqueue')],
      subject: `ifindex ${index}`,
    })
    return true
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === -EEXIST) return false
    throw error
  }
}
