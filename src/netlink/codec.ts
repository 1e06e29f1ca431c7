/**
 * Netlink's wire format, both ways: messages (struct nlmsghdr) and the attributes in them (struct nlattr).
 *
 *     | len u32 | type u16 | flags u16 | seq u32 | pid u32 | fixed struct | len u16 | type u16 | payload | pad to 4 | …
 *      \------------------- nlmsghdr --------------------/               \---------------- nlattr --------------/
 *
 * Everything is in host byte order. Builders are plain functions that return bytes. An attribute whose value is undefined is
 * omitted, so that a request lists all attributes that it may have. Reading never trusts a received length: a header that does
 * not fit ends the parsing, and an attribute that is too short for its type counts as absent. Neighbours: rtnetlink.ts sends and
 * receives what is built and read here; link.ts, address.ts, qdisc.ts and nsid.ts know what is inside.
 */
import { endianness } from 'node:os'
import {
  NLA_ALIGNTO,
  NLA_F_NESTED,
  NLA_F_NET_BYTEORDER,
  NLATTR_LEN,
  NLATTR_SIZE,
  NLATTR_TYPE,
  NLMSG_ALIGNTO,
  NLMSGHDR_FLAGS,
  NLMSGHDR_LEN,
  NLMSGHDR_PID,
  NLMSGHDR_SEQ,
  NLMSGHDR_SIZE,
  NLMSGHDR_TYPE,
} from '../abi/netlink.js'
import { decodeText, encodeText } from '../abi/text.js'

/** DataView's `littleEndian` argument that makes it read and write in host order. */
export const HOST_LITTLE_ENDIAN = endianness() === 'LE'

/** The longest attribute payload: its length is 16 bits and counts the header. */
const NLATTR_MAX_PAYLOAD = 0xffff - NLATTR_SIZE

const align = (length: number, to: number): number => Math.ceil(length / to) * to

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// --- building ------------------------------------------------------------------------------------------------------

/** One built attribute, padded, or undefined if it has no value. */
export type Attribute = Uint8Array | undefined

/**
 * A whole message.
 *
 * @param header the fixed struct that follows nlmsghdr for this type (ifinfomsg, ifaddrmsg, …)
 */
export function buildMessage(
  type: number,
  flags: number,
  sequence: number,
  header: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array {
  const body = NLMSGHDR_SIZE + align(header.length, NLMSG_ALIGNTO)
  const message = new Uint8Array(attributes.reduce((length, attribute) => length + (attribute?.length ?? 0), body))
  const view = viewOf(message)
  view.setUint32(NLMSGHDR_LEN, message.length, HOST_LITTLE_ENDIAN)
  view.setUint16(NLMSGHDR_TYPE, type, HOST_LITTLE_ENDIAN)
  view.setUint16(NLMSGHDR_FLAGS, flags, HOST_LITTLE_ENDIAN)
  view.setUint32(NLMSGHDR_SEQ, sequence, HOST_LITTLE_ENDIAN)
  message.set(header, NLMSGHDR_SIZE)
  let offset = body
  for (const attribute of attributes) {
    if (attribute === undefined) continue
    message.set(attribute, offset)
    offset += attribute.length
  }
  return message
}

/** An attribute of raw bytes: an address, a struct, a bitmap. RangeError beyond 65531 bytes. */
export function bytesAttribute(type: number, payload: Uint8Array | undefined): Attribute {
  if (payload === undefined) return undefined
  if (payload.length > NLATTR_MAX_PAYLOAD) throw new RangeError(`a netlink attribute of ${payload.length} bytes`)
  const attribute = new Uint8Array(align(NLATTR_SIZE + payload.length, NLA_ALIGNTO))
  const view = viewOf(attribute)
  view.setUint16(NLATTR_LEN, NLATTR_SIZE + payload.length, HOST_LITTLE_ENDIAN)
  view.setUint16(NLATTR_TYPE, type, HOST_LITTLE_ENDIAN)
  attribute.set(payload, NLATTR_SIZE)
  return attribute
}

/** A NUL-terminated string. */
export function stringAttribute(type: number, text: string | undefined): Attribute {
  return bytesAttribute(type, text === undefined ? undefined : encodeText(`${text}\0`))
}

export function u32Attribute(type: number, value: number | undefined): Attribute {
  if (value === undefined) return undefined
  const payload = new Uint8Array(4)
  viewOf(payload).setUint32(0, value, HOST_LITTLE_ENDIAN)
  return bytesAttribute(type, payload)
}

// --- reading -------------------------------------------------------------------------------------------------------

/** One received message. `payload` starts behind nlmsghdr and is a view, not a copy. */
export interface Message {
  type: number
  flags: number
  sequence: number
  pid: number
  payload: Uint8Array
}

/** The messages of one datagram; ends at the first header that does not fit. */
export function* readMessages(datagram: Uint8Array): Generator<Message, void> {
  const view = viewOf(datagram)
  for (let offset = 0; offset + NLMSGHDR_SIZE <= datagram.length; ) {
    const length = view.getUint32(offset + NLMSGHDR_LEN, HOST_LITTLE_ENDIAN)
    if (length < NLMSGHDR_SIZE || offset + length > datagram.length) return
    yield {
      type: view.getUint16(offset + NLMSGHDR_TYPE, HOST_LITTLE_ENDIAN),
      flags: view.getUint16(offset + NLMSGHDR_FLAGS, HOST_LITTLE_ENDIAN),
      sequence: view.getUint32(offset + NLMSGHDR_SEQ, HOST_LITTLE_ENDIAN),
      pid: view.getUint32(offset + NLMSGHDR_PID, HOST_LITTLE_ENDIAN),
      payload: datagram.subarray(offset + NLMSGHDR_SIZE, offset + length),
    }
    offset += align(length, NLMSG_ALIGNTO)
  }
}

/**
 * The attributes in `bytes` from `offset` on, by type. If an attribute occurs more than once, the getters return the last, as
 * the kernel's nla_parse does, and {@link all} returns every one. A getter returns undefined for an absent or too short
 * attribute.
 *
 * Parsing only notes the offset of each attribute: a dump of a thousand links has fifty thousand attributes, of which few are
 * read.
 */
export class Attributes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #begin: number
  readonly #end: number
  /** Where the last attribute of a type begins, its header included. */
  readonly #last: (number | undefined)[] = []

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length, view = viewOf(bytes)) {
    this.#bytes = bytes
    this.#view = view
    this.#begin = offset
    this.#end = end
    for (let at = offset; this.#isWhole(at); at = this.#behind(at)) this.#last[this.#typeAt(at)] = at
  }

  has(type: number): boolean {
    return this.#last[type] !== undefined
  }

  all(type: number): readonly Uint8Array[] {
    const found: Uint8Array[] = []
    if (!this.has(type)) return found
    for (let at = this.#begin; this.#isWhole(at); at = this.#behind(at))
      if (this.#typeAt(at) === type) found.push(this.#payload(at))
    return found
  }

  bytes(type: number): Uint8Array | undefined {
    const at = this.#last[type]
    return at === undefined ? undefined : this.#payload(at)
  }

  u8(type: number): number | undefined {
    const at = this.#value(type, 1)
    return at < 0 ? undefined : this.#bytes[at]
  }

  u32(type: number): number | undefined {
    const at = this.#value(type, 4)
    return at < 0 ? undefined : this.#view.getUint32(at, HOST_LITTLE_ENDIAN)
  }

  i32(type: number): number | undefined {
    const at = this.#value(type, 4)
    return at < 0 ? undefined : this.#view.getInt32(at, HOST_LITTLE_ENDIAN)
  }

  /** Without its NUL, which may be missing. */
  string(type: number): string | undefined {
    const payload = this.bytes(type)
    return payload === undefined ? undefined : readString(payload)
  }

  /** The nested attributes; none if the attribute is absent. */
  nested(type: number): Attributes {
    const at = this.#last[type]
    if (at === undefined) return NONE
    return new Attributes(this.#bytes, at + NLATTR_SIZE, at + this.#lengthAt(at), this.#view)
  }

  #isWhole(at: number): boolean {
    if (at + NLATTR_SIZE > this.#end) return false
    const length = this.#lengthAt(at)
    return length >= NLATTR_SIZE && at + length <= this.#end
  }

  #lengthAt(at: number): number {
    return this.#view.getUint16(at + NLATTR_LEN, HOST_LITTLE_ENDIAN)
  }

  #typeAt(at: number): number {
    return this.#view.getUint16(at + NLATTR_TYPE, HOST_LITTLE_ENDIAN) & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER)
  }

  #behind(at: number): number {
    return at + align(this.#lengthAt(at), NLA_ALIGNTO)
  }

  #payload(at: number): Uint8Array {
    return this.#bytes.subarray(at + NLATTR_SIZE, at + this.#lengthAt(at))
  }

  /** Offset of the payload of an attribute; -1 if it has fewer bytes than `size`. */
  #value(type: number, size: number): number {
    const at = this.#last[type]
    return at === undefined || this.#lengthAt(at) < NLATTR_SIZE + size ? -1 : at + NLATTR_SIZE
  }
}

const NONE = new Attributes(new Uint8Array(0))

/** The text up to the first NUL, or to the end. */
export function readString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
}
