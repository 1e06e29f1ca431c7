/**
 * A TAP device, identified by its fd, whatever its present name and namespace are. Base class of an end of a pair
 * (device.ts) and of the device of a Tap stream (library/tap-device.ts).
 *
 * Invariant: no namespace is kept alive. The fd is asked for the device's namespace each time (TUNGETDEVNETNS).
 * Requests in that namespace use a netlink socket that is opened there and closed at once (inNetns).
 */
import { type NativeError, native } from '../../native-bindings/index.js'
import { EBADFD } from '../abi/errno.js'
import { IFF_UP } from '../abi/rtnetlink.js'
import { noMoreFiles, VethdError } from '../errors.js'
import { getLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { tapName } from '../netlink/name.js'
import { netnsIdentity } from '../netlink/netns.js'
import { inNetns, type Rtnetlink } from '../netlink/rtnetlink.js'

export abstract class TapHandle {
  /** -1 after it was closed. */
  abstract readonly fd: number

  /** The error for a device that is gone: closed by vethd or, if there is a `cause`, deleted by another program. */
  abstract gone(cause?: NativeError): VethdError

  /** Its present name. */
  get name(): string {
    return this.ask(tapName)
  }

  /** False after the device was deleted. The fd tells. */
  get isThere(): boolean {
    try {
      return this.name !== ''
    } catch (error) {
      if ((error as VethdError).code === 'DEVICE_NOT_FOUND') return false
      throw error
    }
  }

  /** The inode number of the device's namespace. */
  netnsInode(): number {
    const netnsFd = this.ask((fd) => native().tapGetNetns(fd))
    try {
      return netnsIdentity(netnsFd)
    } finally {
      native().close(netnsFd)
    }
  }

  /**
   * Runs `act` with a netlink socket of the device's present namespace. `act` must be synchronous.
   * Throws DEVICE_NOT_FOUND if the device was deleted, LIMIT_REACHED if no file descriptor is left.
   */
  inItsNetns<T>(act: (rtnl: Rtnetlink, name: string, netnsFd: number) => T): T {
    const netnsFd = this.ask((fd) => native().tapGetNetns(fd))
    try {
      return inNetns(netnsFd, (rtnl) => act(rtnl, this.name, netnsFd))
    } finally {
      native().close(netnsFd)
    }
  }

  /** Reads the link from the kernel. `rtnl` must be a socket of the device's namespace. Throws DEVICE_NOT_FOUND. */
  linkIn(rtnl: Rtnetlink, name: string): LinkInfo {
    const link = getLink(rtnl, { name })
    if (link !== undefined) return link
    throw new VethdError('DEVICE_NOT_FOUND', `"${name}" disappeared while vethd read it: try again`)
  }

  /** Whether the link is administratively up. */
  static isUp(link: LinkInfo): boolean {
    return (link.flags & IFF_UP) !== 0
  }

  /** Calls `question` with the fd. Throws DEVICE_NOT_FOUND, LIMIT_REACHED or NativeError. */
  protected ask<T>(question: (fd: number) => T): T {
    if (this.fd < 0) throw this.gone()
    try {
      return question(this.fd)
    } catch (error) {
      throw (error as NativeError).errno === -EBADFD ? this.gone(error as NativeError) : (noMoreFiles(error) ?? error)
    }
  }
}
