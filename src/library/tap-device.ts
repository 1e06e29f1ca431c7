/**
 * The TAP device of a Tap stream: creation, properties and deletion, all synchronous.
 *
 * The device is made in the nursery, like those of a pair (veth/birth/newlink.ts), for two reasons: an fd keeps alive
 * the namespace in which it was opened, and udev would change the address of a half-made device. Neighbour: tap.ts, the
 * stream.
 *
 * Invariant: the fd is closed once and not used afterwards.
 */
import { type NativeError, native } from '../../native-bindings/index.js'
import { EBADF, EBADFD, errnoText } from '../abi/errno.js'
import { AF_INET, AF_INET6 } from '../abi/socket.js'
import { VethdError } from '../errors.js'
import { type AddressInfo, addAddress, listAddresses, removeAddress } from '../netlink/address.js'
import { formatIpAddress, parseIpPrefix } from '../netlink/ip-address.js'
import { type LinkChange, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { resolveNetns } from '../netlink/netns.js'
import type { Rtnetlink } from '../netlink/rtnetlink.js'
import { makeNursery } from '../veth/birth/nursery.js'
import { openTap } from '../veth/birth/open-tap.js'
import { endOf, moveOut } from '../veth/birth/placement.js'
import { validateName } from '../veth/birth/validate.js'
import { TapHandle } from '../veth/tap-handle.js'

/** The nursery of this thread's devices. It is kept, so that it is made only once. */
let nursery: number | undefined

export class TapDevice extends TapHandle {
  #fd = -1
  /** The last known name, for error messages after the device is gone. */
  lastName: string

  /** Makes the device, down and without vnet header. `name` may contain `%d`. `netns`: as resolveNetns accepts it. */
  constructor(name: string, netns?: string) {
    super()
    validateName(name)
    this.lastName = name
    nursery ??= makeNursery()
    const netnsFd = netns === undefined ? native().netnsCurrent() : resolveNetns(netns)
    try {
      const [fd] = openTap(nursery)
      this.#fd = fd
      this.#appear(nursery, name, netnsFd)
    } catch (error) {
      if (this.#fd >= 0) this.close()
      throw error
    } finally {
      native().close(netnsFd)
    }
  }

  #appear(nursery: number, name: string, netnsFd: number): void {
    // Sets the device's own random address explicitly: udev does not change an address that was set.
    this.change({ address: this.link().address })
    moveOut(nursery, this, endOf({ name }, netnsFd, []))
    this.lastName = this.name
  }

  /** -1 once it is closed. */
  override get fd(): number {
    return this.#fd
  }

  override get name(): string {
    this.lastName = super.name
    return this.lastName
  }

  /** The device as the kernel describes it at this moment. */
  link(): LinkInfo {
    return this.#inItsNetns((_rtnl, link) => link)
  }

  change(change: LinkChange): void {
    this.#inItsNetns((rtnl, link) => setLink(rtnl, link.index, change))
  }

  /** The first address of a family, in the kernel's order, which has IPv6 link-local addresses last. */
  address(family: number): string | undefined {
    return this.#inItsNetns((rtnl, link) => addressesOf(rtnl, link, family).map(textOf)[0])
  }

  /**
   * Replaces the first address of the same family and scope; undefined only removes the first address. If the kernel
   * refuses the new address, the old one is restored.
   */
  replaceAddress(family: number, text: string | undefined): void {
    const wanted = text === undefined ? undefined : parseAddress(family, text)
    this.#inItsNetns((rtnl, link) => {
      const held = addressesOf(rtnl, link, family).find(
        ({ address }) => wanted === undefined || isLinkLocal(address) === isLinkLocal(wanted.address),
      )
      const before = held && textOf(held)
      const after = wanted && textOf(wanted)
      if (before === after) return
      if (before !== undefined) removeAddress(rtnl, link.index, before)
      try {
        if (after !== undefined) addAddress(rtnl, link.index, after)
      } catch (error) {
        if (before !== undefined) addAddress(rtnl, link.index, before)
        throw error
      }
    })
  }

  /** Deletes the device. */
  close(): void {
    native().close(this.#fd)
    this.#fd = -1
  }

  /** The error for a device that is gone. No cause: it was closed here. EBADFD: another program deleted it. */
  override gone(cause?: Pick<NativeError, 'errno'>): VethdError {
    const { errno } = cause ?? {}
    const deleted = errno === -EBADFD || errno === -EBADF
    const what =
      errno === undefined
        ? 'was released'
        : deleted
          ? 'was deleted, or the network namespace that it was in'
          : `cannot be used any more: ${errnoText(errno)}`
    return new VethdError('DEVICE_NOT_FOUND', `"${this.lastName}" ${what}`, { errno })
  }

  #inItsNetns<T>(act: (rtnl: Rtnetlink, link: LinkInfo) => T): T {
    return this.inItsNetns((rtnl, name) => act(rtnl, this.linkIn(rtnl, name)))
  }
}

function addressesOf(rtnl: Rtnetlink, link: LinkInfo, family: number): AddressInfo[] {
  return listAddresses(rtnl, link.index).filter(({ address }) => address.includes(':') === (family === AF_INET6))
}

/** `192.0.2.1/24` as it must be here: of this family, and with a prefix length. */
function parseAddress(family: number, text: string): { address: string; prefixLength: number } {
  const parsed = text.includes('/') ? parseIpPrefix(text) : undefined
  if (parsed?.family === family) return { address: formatIpAddress(parsed.bytes), prefixLength: parsed.prefixLength }
  const example =
    family === AF_INET
      ? 'IPv4 address with a prefix length, like 192.0.2.1/24'
      : 'IPv6 address with a prefix length, like 2001:db8::1/64'
  throw new VethdError('ARGUMENT_INVALID', `"${text}" is not an ${example}`)
}

function textOf({ address, prefixLength }: { address: string; prefixLength: number }): string {
  return `${address}/${prefixLength}`
}

/** fe80::/10 */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/.test(address)
}
