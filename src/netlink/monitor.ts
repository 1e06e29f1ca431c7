/**
 * The one monitor of all network namespaces: reports every link that appears, changes, moves or disappears.
 *
 *     nursery ── socket (LISTEN_ALL_NSID) ◄── links of every namespace that the nursery has a NSID for
 *
 * One socket, made in the nursery, receives the events of all namespaces for which the nursery has an NSID (nsid.ts). It keeps
 * none of them alive. A namespace gets its NSID by {@link Monitor.know}, or from the kernel when a device moves there from the
 * nursery. When a namespace dies, the kernel reports only its NSID (RTM_DELNSID), and not the links that died in it; their own
 * fds report that (worker/scheduler.ts). Without CAP_NET_BROADCAST the socket receives only the nursery's events. Neighbours:
 * link-info.ts parses the links; the driver's follower listens.
 */
import { type NativeError, native, type Watcher } from '../../native-bindings/index.js'
import { EAGAIN, EMSGSIZE, ENOBUFS, EPERM } from '../abi/errno.js'
import { NETLINK_ADD_MEMBERSHIP, NETLINK_LISTEN_ALL_NSID, NETLINK_ROUTE } from '../abi/netlink.js'
import { POLLIN } from '../abi/poll.js'
import * as abi from '../abi/rtnetlink.js'
import { AF_UNSPEC } from '../abi/socket.js'
import { HOST_LITTLE_ENDIAN, type Message, readMessages, viewOf } from './codec.js'
import { type LinkInfo, readLink } from './link-info.js'
import { assignNsid, readNsid } from './nsid.js'
import { NetlinkError, RECEIVE_BYTES, Rtnetlink } from './rtnetlink.js'

/** The nursery itself among the NSIDs of events. */
export const NURSERY_NSID = -1

/** Room for a burst of some thousand links while the event loop is busy. */
const SOCKET_BUFFER_BYTES = 8 << 20

/** Datagrams read in one turn of the event loop; the rest waits for the next turn. */
const DATAGRAMS_A_TURN = 64

/** Datagrams that one {@link Monitor.drain} reads: more than the buffer holds, unless others add to it meanwhile. */
const DATAGRAMS_MAX = 8192

/** An event is only a reason to look at a link: when it is delivered, the link may have changed again. */
export type MonitorEvent =
  | {
      kind: 'link'
      /** The namespace, as the nursery's NSID; {@link NURSERY_NSID} for the nursery itself. */
      nsid: number
      link: LinkInfo
      /** The link is no longer there: deleted, or moved away. */
      removed: boolean
      /** This event reports that the link went down (dev_close); it may be up again. */
      wentDown: boolean
    }
  /** A qdisc of that link was deleted, and the kernel has set its default qdisc. It sends no event for the link. */
  | { kind: 'qdisc-removed'; nsid: number; index: number }
  /** A qdisc was created or changed in that namespace. The kernel sends no event for its link. */
  | { kind: 'qdisc-made'; nsid: number }
  /** A namespace died, with all its links. The kernel can reuse its NSID from now on. */
  | { kind: 'nsid-removed'; nsid: number }
  /** Events were lost: a listener that keeps state must read everything again. */
  | { kind: 'overrun' }

export class Monitor implements Disposable {
  /** Whether it receives events of every known namespace; false without CAP_NET_BROADCAST. */
  readonly hearsAll: boolean
  /** A socket of the nursery's, for reads of other namespaces by NSID (getLink, listLinks). */
  readonly rtnl: Rtnetlink
  readonly #fd: number
  #watcher: Watcher
  #referenced = true
  readonly #onEvent: (event: MonitorEvent) => void
  readonly #buffer: Uint8Array
  #listening = true

  /**
   * Starts to listen. Events come from the event loop (and from inside {@link catchUp}), and keep the process alive until
   * {@link unref}. The caller keeps `nurseryFd`, which is not needed any more.
   */
  constructor(
    nurseryFd: number,
    onEvent: (event: MonitorEvent) => void,
    socketBufferBytes = SOCKET_BUFFER_BYTES,
    datagramBytes = RECEIVE_BYTES,
  ) {
    this.#onEvent = onEvent
    this.#buffer = new Uint8Array(datagramBytes)
    this.#fd = native().netlinkOpen(NETLINK_ROUTE, nurseryFd)
    try {
      native().socketSetReceiveBuffer(this.#fd, socketBufferBytes)
      this.hearsAll = listenToAll(this.#fd)
      for (const group of [abi.RTNLGRP_LINK, abi.RTNLGRP_TC, abi.RTNLGRP_NSID]) {
        native().netlinkSetOption(this.#fd, NETLINK_ADD_MEMBERSHIP, group)
      }
      this.rtnl = Rtnetlink.open(nurseryFd)
    } catch (error) {
      native().close(this.#fd)
      throw error
    }
    this.#watcher = this.#watch()
  }

  /** Listens to a namespace from now on, without keeping it alive. Returns its NSID, which its events carry. */
  know(netnsFd: number): number {
    return assignNsid(this.rtnl, netnsFd)
  }

  ref(): void {
    this.#referenced = true
    this.#watcher.ref()
  }

  unref(): void {
    this.#referenced = false
    this.#watcher.unref()
  }

  /** Stops the monitor. May be called inside `onEvent`, which is not called again. */
  [Symbol.dispose](): void {
    if (!this.#listening) return
    this.#listening = false
    this.#watcher.close()
    native().close(this.#fd)
    this.rtnl[Symbol.dispose]()
  }

  /** libuv stops watching an fd with POLLERR, which an overrun causes. After the error was read, the fd is watched again. */
  #watch(): Watcher {
    const watcher = native().watch(this.#fd, POLLIN, (_events, error) => {
      this.catchUp()
      if (error === 0 || !this.#listening) return
      watcher.close()
      this.#watcher = this.#watch()
    })
    if (!this.#referenced) watcher.unref()
    return watcher
  }

  /** Delivers pending events inside this call, at most as many as in one turn. */
  catchUp(): void {
    this.#read(DATAGRAMS_A_TURN)
  }

  /** Delivers all pending events inside this call. If they do not end, it reports an overrun, and the rest follows later. */
  drain(): void {
    if (!this.#read(DATAGRAMS_MAX)) this.#onEvent({ kind: 'overrun' })
  }

  /** Returns whether no event is pending. */
  #read(datagramsMax: number): boolean {
    for (let datagrams = 0; this.#listening && datagrams < datagramsMax; datagrams++) {
      const { length, nsid } = native().netlinkReceive(this.#fd, this.#buffer)
      if (length === -EAGAIN) return true
      if (length < 0) this.#lost(length)
      else for (const message of readMessages(this.#buffer.subarray(0, length))) this.#tell(message, nsid)
    }
    return !this.#listening
  }

  /**
   * ENOBUFS: the socket was full. EMSGSIZE: one datagram was longer than the buffer, and is truncated. Events are lost in both
   * cases. Queued events may be older than the overrun and are delivered after it, which does no harm.
   */
  #lost(errno: number): void {
    if (errno !== -ENOBUFS && errno !== -EMSGSIZE) throw new NetlinkError(errno, '', { type: abi.RTM_NEWLINK })
    this.#onEvent({ kind: 'overrun' })
  }

  #tell(message: Message, nsid: number): void {
    if (message.type === abi.RTM_NEWLINK || message.type === abi.RTM_DELLINK) {
      // A bridge reports its ports in messages of its own family, where RTM_DELLINK means a released port.
      if (message.payload[abi.IFINFOMSG_FAMILY] === AF_UNSPEC) this.#tellLink(message, nsid)
    } else if (message.type === abi.RTM_DELQDISC) {
      const index = viewOf(message.payload).getInt32(abi.TCMSG_IFINDEX, HOST_LITTLE_ENDIAN)
      this.#onEvent({ kind: 'qdisc-removed', nsid, index })
    } else if (message.type === abi.RTM_NEWQDISC) {
      this.#onEvent({ kind: 'qdisc-made', nsid })
    } else if (message.type === abi.RTM_DELNSID && nsid === NURSERY_NSID) {
      // NSIDs that other namespaces assigned do not matter.
      this.#onEvent({ kind: 'nsid-removed', nsid: readNsid(message.payload) })
    }
  }

  #tellLink({ type, payload }: Message, nsid: number): void {
    const header = viewOf(payload)
    const [flags, changed] = [abi.IFINFOMSG_FLAGS, abi.IFINFOMSG_CHANGE].map((at) =>
      header.getUint32(at, HOST_LITTLE_ENDIAN),
    )
    this.#onEvent({
      kind: 'link',
      nsid,
      link: readLink(payload),
      removed: type === abi.RTM_DELLINK,
      wentDown: (changed & abi.IFF_UP) !== 0 && (flags & abi.IFF_UP) === 0,
    })
  }
}

function listenToAll(fd: number): boolean {
  try {
    native().netlinkSetOption(fd, NETLINK_LISTEN_ALL_NSID, 1)
    return true
  } catch (error) {
    if ((error as NativeError).errno === -EPERM) return false
    throw error
  }
}
