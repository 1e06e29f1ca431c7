/**
 * The TAP device behind a Tap stream: made, asked, changed, deleted, all at once and without waiting.
 *
 * The device is born in a namespace without a name, like those of a pair (veth/link-ops.ts): an fd pins the namespace
 * that it was opened in, and udev would give a half-made device another address. Neighbour: ../tap.ts, the stream.
 *
 * Invariant: the fd is closed once, and nothing is called on it afterwards.
 */
import { type NativeError, native } from '../../native-bindings/index.js'
import { EBADF, EBADFD, EEXIST, errnoText } from '../abi/errno.js'
import { IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL } from '../abi/if-tun.js'
import { AF_INET, AF_INET6 } from '../abi/socket.js'
import { noMoreFiles, VethdError } from '../errors.js'
import { type AddressInfo, addAddress, listAddresses, removeAddress } from '../netlink/address.js'
import { formatIpAddress, parseIpPrefix } from '../netlink/ip-address.js'
import { getLink, type LinkChange, setLink } from '../netlink/link.js'
import type { LinkInfo } from '../netlink/link-info.js'
import { tapName } from '../netlink/name.js'
import { resolveNetns } from '../netlink/netns.js'
import { inNetns, NetlinkError, type Rtnetlink } from '../netlink/socket.js'
import { makeNursery } from '../veth/driver.js'
import { nameTaken } from '../veth/placement.js'
import { explainOpen } from '../veth/setup.js'
import { validateName } from '../veth/validate.js'

export class TapDevice {
  #fd: number
  /** Its name when it was last asked for: for error messages, when it can no longer be asked. */
  lastName: string

  /** Makes the device, down, without vnet header. `name` may hold `%d`; `netns` as resolveNetns takes it. */
  constructor(name: string, netns?: string) {
    validateName(name)
    this.#fd = makeDevice(name, netns)
    this.lastName = tapName(this.#fd)
  }

  /** -1 once it is closed. */
  get fd(): number {
    return this.#fd
  }

  /** Its present name. */
  get name(): string {
    this.lastName = this.#ask(tapName)
    return this.lastName
  }

  /** The device as the kernel describes it at this moment. */
  link(): LinkInfo {
    return this.#inItsNetns((_rtnl, link) => link)
  }

  change(change: LinkChange): void {
    this.#inItsNetns((rtnl, link) => setLink(rtnl, link.index, change))
  }

  /** The first address of a family in the kernel's order, which has IPv6's link-local ones last. */
  address(family: number): string | undefined {
    return this.#inItsNetns((rtnl, link) => addressesOf(rtnl, link, family).map(textOf)[0])
  }

  /**
   * Puts an address in the place of the first one of its family and scope, or only takes the first one away. When the
   * kernel refuses the new one, the old one is put back.
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

  /** Says that the device is no longer there: closed, or, with a negative errno, deleted by somebody else. */
  gone(errno?: number): VethdError {
    const deleted = errno === -EBADFD || errno === -EBADF
    const what =
      errno === undefined
        ? 'was released'
        : deleted
          ? 'was deleted, or the network namespace that it was in'
          : `cannot be used any more: ${errnoText(errno)}`
    return new VethdError('DEVICE_NOT_FOUND', `"${this.lastName}" ${what}`, { errno })
  }

  /** Runs `act` where the device is now, whoever has moved it, with a socket made there. */
  #inItsNetns<T>(act: (rtnl: Rtnetlink, link: LinkInfo) => T): T {
    const netnsFd = this.#ask((fd) => native().tapGetNetns(fd))
    try {
      return inNetns(netnsFd, (rtnl) => {
        const link = getLink(rtnl, { name: this.name })
        if (link === undefined) throw this.gone(-EBADFD)
        return act(rtnl, link)
      })
    } finally {
      native().close(netnsFd)
    }
  }

  #ask<T>(question: (fd: number) => T): T {
    if (this.#fd < 0) throw this.gone()
    try {
      return question(this.#fd)
    } catch (error) {
      const { errno } = error as NativeError
      throw errno === -EBADFD ? this.gone(errno) : (noMoreFiles(error) ?? error)
    }
  }
}

/** Where the devices of this thread are born; kept, so that not each of them makes one. */
let nursery: number | undefined

/** A new device in its namespace; the fd. */
function makeDevice(name: string, netns: string | undefined): number {
  nursery ??= makeNursery()
  const netnsFd = netns === undefined ? native().netnsCurrent() : resolveNetns(netns)
  try {
    const fd = openIn(nursery)
    try {
      moveOut(nursery, fd, name, netnsFd)
      return fd
    } catch (error) {
      native().close(fd)
      throw error instanceof NetlinkError && error.errno === -EEXIST ? nameTaken(name, error) : error
    }
  } finally {
    native().close(netnsFd)
  }
}

function openIn(nursery: number): number {
  try {
    return native().tapOpen('vethd%d', IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL, nursery)
  } catch (error) {
    throw explainOpen(error as NativeError)
  }
}

/** A name that is taken fails before anybody has seen the device; a pattern has to be filled in where it goes. */
function moveOut(nursery: number, fd: number, name: string, netnsFd: number): void {
  inNetns(nursery, (rtnl) => {
    const { index, address } = getLink(rtnl, { name: tapName(fd) })!
    setLink(rtnl, index, { address }) // the random one that it has, now set by somebody: udev leaves it
    if (!name.includes('%')) setLink(rtnl, index, { name })
    setLink(rtnl, index, { netnsFd, name: name.includes('%') ? name : undefined })
  })
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
