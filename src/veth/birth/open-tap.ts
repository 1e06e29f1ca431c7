/** Opens a new TAP device in the nursery, one fd per queue. Neighbour: placement.ts moves it to its namespace. */
import { type NativeError, native } from '../../../native-bindings/index.js'
import { IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL } from '../../abi/if-tun.js'
import { noMoreFiles, VethdError } from '../../errors.js'
import { tapName } from '../../netlink/name.js'

/** The name of a device in the nursery. A user's device cannot get such a name there, so it must be an unlikely one. */
const NURSERY_NAME = 'vethd.new%d'

/** Opens a device with `count` queues. `flags`: IFF_* in addition to those of every TAP. Throws VethdError. */
export function openTap(nursery: number, flags = 0, count = 1): number[] {
  const all = IFF_TAP | IFF_NO_PI | flags | (count > 1 ? IFF_MULTI_QUEUE : 0)
  const fds: number[] = []
  try {
    fds.push(native().tapOpen(NURSERY_NAME, all | IFF_TUN_EXCL, nursery))
    const name = tapName(fds[0])
    while (fds.length < count) fds.push(native().tapOpen(name, all, nursery))
    return fds
  } catch (error) {
    closeAll(fds)
    throw explainOpen(error as NativeError)
  }
}

export function closeAll(fds: number[]): void {
  for (const fd of fds) native().close(fd)
}

/** Turns an error of opening a TAP into one that tells the user what to do. */
export function explainOpen(error: NativeError): Error {
  const limit = noMoreFiles(error)
  if (limit !== undefined) return limit
  const details = { errno: error.errno, syscall: error.syscall, cause: error }
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new VethdError('NOT_PERMITTED', 'a TAP device cannot be made: vethd needs CAP_NET_ADMIN, run it as root', {
      ...details,
      iproute2: 'RTNETLINK answers: Operation not permitted',
    })
  return new VethdError(
    'TUN_UNAVAILABLE',
    `${error.message}: check that /dev/net/tun exists and is the tun driver's; "vethctl doctor" tells more`,
    details,
  )
}
