/**
 * One rtnetlink socket and its requests: sequence numbers, acknowledgements, dumps in several parts, and the kernel's refusals
 * as {@link NetlinkError}.
 *
 * The kernel answers rtnetlink inside send(2), so everything is synchronous: after sending a request, its answer can be read.
 * Invariant: a socket keeps its network namespace alive, so only sockets of the nursery stay open. Requests in other
 * namespaces use {@link inNetns}, which closes its socket before it returns.
 * Neighbours: codec.ts below, the requests (link.ts, address.ts, …) above.
 */
import { type Native, native, OWN_NETNS } from '../../native-bindings/index.js'
import { EAGAIN, EINTR, EPROTO, ETIMEDOUT, errnoName, errnoText } from '../abi/errno.js'
import {
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ERROR,
  NLMSGERR_MSG,
  NLMSGERR_SIZE,
} from '../abi/netlink.js'
import * as rtnetlink from '../abi/rtnetlink.js'
import { noMoreFiles } from '../errors.js'
import {
  type Attribute,
  Attributes,
  buildMessage,
  HOST_LITTLE_ENDIAN,
  type Message,
  readMessages,
  viewOf,
} from './codec.js'

/** Buffer for one datagram: the kernel sends dumps in parts of at most 32 KiB. */
export const RECEIVE_BYTES = 65536

/** How long to wait for an answer that should be there already. */
const ANSWER_TIMEOUT_MS = 1000

/** How often a dump is repeated if links appeared or disappeared while it ran. */
const DUMP_ATTEMPTS = 20

/** A request, without the fields that the socket adds. */
export interface Request {
  /** RTM_*. */
  type: number
  /** NLM_F_*; the socket adds REQUEST and, except for dumps, ACK. */
  flags?: number
  /** The fixed struct of this type. */
  header: Uint8Array
  attributes?: readonly Attribute[]
  /** What it is about, for the error's message: `"veth1"`, `ifindex 7`. */
  subject?: string
}

/** The kernel refused a request. */
export class NetlinkError extends Error {
  /** Negative errno. */
  readonly errno: number
  /** `EBUSY`. */
  readonly code: string
  /** The kernel's own sentence (NLMSGERR_ATTR_MSG), or ''. */
  readonly extack: string
  /** `rtnetlink(RTM_SETLINK)`. */
  readonly syscall: string

  constructor(errno: number, extack: string, request: Pick<Request, 'type' | 'subject'>) {
    const what = request.subject === undefined ? '' : ` of ${request.subject}`
    super(`${errnoName(errno)}: ${messageName(request.type)}${what}: ${extack === '' ? errnoText(errno) : extack}`)
    this.name = 'NetlinkError'
    this.errno = errno
    this.code = errnoName(errno)
    this.extack = extack
    this.syscall = `rtnetlink(${messageName(request.type)})`
  }

  /** What `ip` prints for it, line by line: libnetlink's rtnl_talk_error and print_ext_ack_msg. */
  get iproute2(): string {
    if (this.extack === '') return `RTNETLINK answers: ${errnoText(this.errno)}`
    return `Error: ${this.extack}${this.extack.endsWith('.') ? '' : '.'}`
  }
}

/** `RTM_SETLINK` for 19. */
function messageName(type: number): string {
  const found = Object.entries(rtnetlink).find(([name, value]) => name.startsWith('RTM_') && value === type)
  return found?.[0] ?? `message ${type}`
}

/** The addon's functions that a socket needs; unit tests replace them. */
export type NetlinkCalls = Pick<Native, 'netlinkSend' | 'netlinkReceive' | 'waitReadable' | 'close'>

/** A NETLINK_ROUTE socket of the namespace it was opened in. */
export class Rtnetlink implements Disposable {
  /** For the ioctls that act in the socket's namespace (ethtool.ts). */
  readonly fd: number
  readonly #calls: NetlinkCalls
  readonly #buffer = new Uint8Array(RECEIVE_BYTES)
  #sequence = 0

  /** Takes over `fd`. */
  constructor(fd: number, calls: NetlinkCalls) {
    this.fd = fd
    this.#calls = calls
  }

  /** Opens a socket in a namespace, by default in the process's own. LIMIT_REACHED when no file can be opened. */
  static open(netnsFd = OWN_NETNS): Rtnetlink {
    try {
      return new Rtnetlink(native().netlinkOpen(NETLINK_ROUTE, netnsFd), native())
    } catch (error) {
      throw noMoreFiles(error) ?? error
    }
  }

  /**
   * Sends a request, and returns the messages before the acknowledgement: the requested object, the parts of a dump, or none.
   * Throws {@link NetlinkError}; with EINTR for a dump during which links kept changing.
   */
  request(request: Request): Message[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const replies = this.#exchange(request)
      if (replies !== undefined) return replies
    }
    throw new NetlinkError(-EINTR, 'the dump was interrupted every time', request)
  }

  [Symbol.dispose](): void {
    this.#calls.close(this.fd)
  }

  /** One round, up to the acknowledgement or the end of a dump; undefined for a dump that was interrupted. */
  #exchange(request: Request): Message[] | undefined {
    const asked = request.flags ?? 0
    const flags = NLM_F_REQUEST | asked | ((asked & NLM_F_DUMP) === NLM_F_DUMP ? 0 : NLM_F_ACK)
    const sequence = ++this.#sequence
    this.#calls.netlinkSend(
      this.fd,
      buildMessage(request.type, flags, sequence, request.header, request.attributes ?? []),
    )
    const replies: Message[] = []
    let interrupted = false
    for (;;) {
      for (const message of readMessages(this.#receive(request))) {
        // An answer to an earlier request that was abandoned.
        if (message.sequence !== sequence) continue
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0
        if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
          replies.push(message)
          continue
        }
        const { errno, extack } = readVerdict(message)
        if (errno !== 0) throw new NetlinkError(errno, extack, request)
        return interrupted ? undefined : replies
      }
    }
  }

  /** The next datagram, in memory of its own: replies outlive the next use of the buffer. */
  #receive(request: Request): Uint8Array {
    for (;;) {
      const { length } = this.#calls.netlinkReceive(this.fd, this.#buffer)
      if (length >= 0) return this.#buffer.slice(0, length)
      if (length !== -EAGAIN) throw new NetlinkError(length, '', request)
      if (!this.#calls.waitReadable(this.fd, ANSWER_TIMEOUT_MS)) throw new NetlinkError(-ETIMEDOUT, '', request)
    }
  }
}

/**
 * NLMSG_ERROR and NLMSG_DONE: errno (0 or negative), and the extended acknowledgement behind it. An NLMSG_ERROR quotes
 * the request in between: its header only, since every socket has NETLINK_CAP_ACK on.
 */
export function readVerdict({ type, flags, payload }: Message): { errno: number; extack: string } {
  if (payload.length < NLMSGERR_MSG) return { errno: type === NLMSG_DONE ? 0 : -EPROTO, extack: '' }
  const errno = viewOf(payload).getInt32(NLMSGERR_ERROR, HOST_LITTLE_ENDIAN)
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, extack: '' }
  const attributes = new Attributes(payload, type === NLMSG_DONE ? NLMSGERR_MSG : NLMSGERR_SIZE)
  return { errno, extack: attributes.string(NLMSGERR_ATTR_MSG) ?? '' }
}

/**
 * Calls `act`, which must be synchronous, with a socket of a network namespace, and closes the socket before it returns.
 * Only the socket belongs to that namespace; the calling thread does not change its own.
 */
export function inNetns<T>(netnsFd: number, act: (rtnl: Rtnetlink) => T): T {
  using rtnl = Rtnetlink.open(netnsFd)
  return act(rtnl)
}
