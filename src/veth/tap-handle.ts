/**
 * A TAP device as its fd shows it, wherever its user has moved it and whatever they call it now: an end of a pair
 * (device.ts), and the device behind a Tap stream (library/tap-device.ts).
 *
 * Nothing here keeps a namespace open. The fd is asked where the device is (TUNGETDEVNETNS) each time, and what is done
 * there goes through a netlink socket that is made there and closed at once (inNetns).
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
  /** -1 once it is closed. */
  abstract readonly fd: number

  /** The error for a device that is no longer there: closed by us, or, where `cause` says so, deleted by somebody else. */
  abstract gone(cause?: NativeError): VethdError

  /** Its present name. */
  get name(): string {
    return this.ask(tapName)
  }

  /** False once it was deleted. The fd says so, however often it is asked. */
  get isThere(): boolean {
    try {
      return this.name !== ''
    } catch (error) {
      if ((error as VethdError).code === 'DEVICE_NOT_FOUND') return false
      throw error
    }
  }

  /** The inode number of the namespace where it is. */
  netnsInode(): number {
    const netnsFd = this.ask((fd) => native().tapGetNetns(fd))
    try {
      return netnsIdentity(netnsFd)
    } finally {
      native().close(netnsFd)
    }
  }

  /**
   * Runs `act` in the namespace where the device is now, with a socket made there. `act` must be synchronous.
   * Throws DEVICE_NOT_FOUND when the device was deleted, LIMIT_REACHED without a file descriptor left.
   */
  inItsNetns<T>(act: (rtnl: Rtnetlink, name: string, netnsFd: number) => T): T {
    const netnsFd = this.ask((fd) => native().tapGetNetns(fd))
    try {
      return inNetns(netnsFd, (rtnl) => act(rtnl, this.name, netnsFd))
    } finally {
      native().close(netnsFd)
    }
  }

  /** The device as the kernel describes it to a socket of its namespace. Throws DEVICE_NOT_FOUND. */
  linkIn(rtnl: Rtnetlink, name: string): LinkInfo {
    const link = getLink(rtnl, { name })
    if (link !== undefined) return link
    throw new VethdError('DEVICE_NOT_FOUND', `"${name}" disappeared while vethd read it: try again`)
  }

  /** True when the link's administrative state is up. */
  static isUp(link: LinkInfo): boolean {
    return (link.flags & IFF_UP) !== 0
  }

  /** Asks the fd. Throws DEVICE_NOT_FOUND, LIMIT_REACHED or NativeError. */
  protected ask<T>(question: (fd: number) => T): T {
    if (this.fd < 0) throw this.gone()
    try {
      return question(this.fd)
    } catch (error) {
      throw (error as NativeError).errno === -EBADFD ? this.gone(error as NativeError) : (noMoreFiles(error) ?? error)
    }
  }
}
