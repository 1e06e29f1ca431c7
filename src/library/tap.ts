/**
 * Tap: one TAP device as a Duplex stream of Ethernet frames. The program is its other end.
 *
 *     the host's stack ─▶ the device's ring ─▶ read(2) ─▶ push ──▶ 'data'
 *                      ◀───────────────────── write(2) ◀─ _write ◀─ write()
 *
 * The device is opened without IFF_VNET_HDR, so the kernel segments super-frames and completes checksums before the
 * read. Neighbour: tap-device.ts, the device and its properties.
 *
 * Invariant: one Watcher watches the fd as long as it is open, also while nobody reads. So the stream reports the end
 * of the device once, whatever caused it.
 */
import { Duplex } from 'node:stream'
import { native, type Watcher } from '../../native-bindings/index.js'
import { EAGAIN, EBADFD, EIO, errnoName, errnoText } from '../abi/errno.js'
import { IFF_UP } from '../abi/rtnetlink.js'
import { AF_INET, AF_INET6 } from '../abi/socket.js'
import { VethdError } from '../errors.js'
import { validateAddress, validateMtu, validateName } from '../veth/birth/validate.js'
import { checkKind, checkShape, type Shape } from './shape.js'
import { TapDevice } from './tap-device.js'

/** The options of {@link Tap}. */
export interface TapOptions {
  /** 1..15 bytes. The kernel replaces `%d` in it by the first free number. Default `tap%d`. */
  name?: string
  /** The network namespace of the device, as `ip` accepts it: a name, a path or a pid. Default: the current one. */
  netns?: string | number
}

const OPTIONS_SHAPE: Shape<Required<TapOptions>> = { name: 'string', netns: 'netns' }

/** libuv's bits, as `watch` takes them. */
const READABLE = 1
const WRITABLE = 2
/**
 * The event that comes when the device is gone, and only then. tun then wakes waiters for EPOLLIN and EPOLLPRI
 * (tun_detach_all, sock_def_readable). A TAP never has EPOLLPRI. On POLLERR, libuv reports the events that are waited
 * for. UV_DISCONNECT would not be woken.
 */
const PRIORITIZED = 8

/** The most frames read in one turn of the event loop. */
const BURST = 64
/** Frames read ahead of a slow consumer. Then the device's ring fills, and when it is full the kernel drops frames. */
const READ_AHEAD = 64
/**
 * More than the largest MTU (65521), an Ethernet header and two VLAN tags. read(2) silently truncates longer frames.
 */
const FRAME_BYTES_MAX = 65536 + 18

/** The buffer for each read, before the frame is copied into a Buffer of its size. */
const scratch = new Uint8Array(FRAME_BYTES_MAX)

/**
 * A TAP device as a Duplex stream of Ethernet frames: destination address first, without preamble and FCS.
 *
 * Every chunk that is read is one whole frame in its own Buffer, and every `write` of a Buffer is one frame. The
 * readable side is in object mode, so that frames are never joined. Its highWaterMark counts frames.
 *
 * The device exists from `new` to {@link Tap.release} and is down at first. An open Tap keeps the process alive. If
 * another program deletes the device or its namespace, the stream is destroyed with a {@link VethdError}, code
 * `DEVICE_NOT_FOUND`: one 'error', then 'close'.
 *
 * A frame that the kernel refuses is lost, as on any network card, and the stream goes on. The kernel answers EIO while
 * the device is down (and counts rx_dropped), and EINVAL if the frame is shorter than an Ethernet header. The event
 * `'drop'` reports it: `(frame: Buffer, error: VethdError)`. Neither Tap nor the kernel compares a written frame with
 * the MTU.
 *
 * Properties are read from the kernel and set in the kernel at once. Setters throw {@link VethdError}, or
 * {@link NetlinkError} with the kernel's own words. After an error nothing has changed.
 */
export class Tap extends Duplex {
  readonly #device: TapDevice
  #watcher: Watcher | null = null
  /** The events that the watcher waits for. */
  #awaited = 0
  /** A write for which the kernel had no room. */
  #blocked: { frame: Buffer; done: (error?: Error | null) => void } | null = null

  /**
   * Makes the device, synchronously. Throws VethdError: ARGUMENT_INVALID if an option does not match its type,
   * NAME_INVALID, DEVICE_EXISTS, NETNS_INVALID, NOT_PERMITTED (CAP_NET_ADMIN and CAP_SYS_ADMIN are needed),
   * TUN_UNAVAILABLE, LIMIT_REACHED.
   */
  constructor(options: TapOptions | string = {}) {
    super({ readableObjectMode: true, readableHighWaterMark: READ_AHEAD })
    const { name = 'tap%d', netns }: TapOptions = typeof options === 'string' ? { name: options } : checked(options)
    this.#device = new TapDevice(name, netns === undefined ? undefined : String(netns))
    this.#await(PRIORITIZED)
  }

  /** The device's present name. Older kernels rename a device only while it is down; otherwise they answer EBUSY. */
  get name(): string {
    return this.#device.name
  }

  set name(name: string) {
    checkKind('name', name, 'string')
    validateName(name)
    this.#device.change({ name })
  }

  /** The link layer address of the device, `02:00:00:00:00:01`. */
  get mac(): string {
    return this.#device.link().address
  }

  set mac(address: string) {
    checkKind('mac', address, 'string')
    validateAddress(address)
    this.#device.change({ address })
  }

  /** 68..65521 */
  get mtu(): number {
    return this.#device.link().mtu
  }

  set mtu(mtu: number) {
    validateMtu(mtu)
    this.#device.change({ mtu })
  }

  /**
   * The first IPv4 address of the device, `192.168.1.5/24`, or undefined. Setting replaces it; undefined removes it.
   * ARGUMENT_INVALID without a prefix length.
   */
  get ipv4(): string | undefined {
    return this.#device.address(AF_INET)
  }

  set ipv4(prefix: string | undefined) {
    if (prefix !== undefined) checkKind('ipv4', prefix, 'string')
    this.#device.replaceAddress(AF_INET, prefix)
  }

  /**
   * The first IPv6 address, `2001:db8::1/64`, or undefined; a link-local one only if there is no other. Setting
   * replaces the first address of the same scope, so the kernel's own link-local address stays. The kernel checks for
   * duplicates for a second or two before it uses the address. It removes IPv6 addresses when the device goes down.
   */
  get ipv6(): string | undefined {
    return this.#device.address(AF_INET6)
  }

  set ipv6(prefix: string | undefined) {
    if (prefix !== undefined) checkKind('ipv6', prefix, 'string')
    this.#device.replaceAddress(AF_INET6, prefix)
  }

  /** Whether the device is administratively up. */
  get isUp(): boolean {
    return (this.#device.link().flags & IFF_UP) !== 0
  }

  set isUp(up: boolean) {
    checkKind('isUp', up, 'boolean')
    this.#device.change({ up })
  }

  /** Closes the stream and deletes the device. The device is gone when this returns; 'close' follows. */
  release(): void {
    this.destroy()
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }

  /** @internal */
  override _read(): void {
    this.#await(this.#awaited | READABLE)
  }

  /** @internal */
  override _write(frame: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const written = native().write(this.#device.fd, frame)
    if (written === -EAGAIN) {
      this.#blocked = { frame, done }
      this.#await(this.#awaited | WRITABLE)
    } else if (written === -EBADFD) {
      done(this.#device.gone({ errno: written }))
    } else {
      if (written < 0) this.emit('drop', frame, this.#notTaken(frame, written))
      done()
    }
  }

  /** @internal */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#watcher?.close()
    this.#device.close()
    this.#blocked?.done(error ?? this.#device.gone())
    done(error)
  }

  /** Sets the events that the watcher waits for. */
  #await(events: number): void {
    if (events === this.#awaited) return
    this.#awaited = events
    this.#watcher?.close()
    this.#watcher = native().watch(this.#device.fd, events, (seen, error) => this.#happened(seen, error))
  }

  #happened(events: number, error: number): void {
    if (error < 0 || (events & PRIORITIZED) !== 0) {
      this.destroy(this.#device.gone({ errno: -EBADFD }))
      return
    }
    if ((events & WRITABLE) !== 0) this.#writeAgain()
    if ((events & READABLE) !== 0 && !this.destroyed) this.#readBurst()
  }

  #writeAgain(): void {
    if (this.#blocked === null) return
    const { frame, done } = this.#blocked
    this.#blocked = null
    this.#await(this.#awaited & ~WRITABLE)
    this._write(frame, 'binary', done)
  }

  #readBurst(): void {
    for (let count = 0; count < BURST; count++) {
      const length = native().read(this.#device.fd, scratch)
      if (length === -EAGAIN) return
      if (length < 0) {
        this.destroy(this.#device.gone({ errno: length }))
        return
      }
      const wanted = this.push(Buffer.from(scratch.subarray(0, length)))
      if (this.destroyed) return // a listener that got the frame destroyed the stream
      if (wanted) continue
      this.#await(this.#awaited & ~READABLE) // until the next _read
      return
    }
  }

  #notTaken(frame: Buffer, errno: number): VethdError {
    const why = errno === -EIO ? 'it is down, set isUp' : `${errnoName(errno)}, ${errnoText(errno)}`
    const message = `"${this.#device.lastName}" did not take a frame of ${frame.length} bytes: ${why}`
    return new VethdError('KERNEL_REFUSED', message, { errno, syscall: 'write' })
  }
}

function checked(options: TapOptions): TapOptions {
  checkShape('options', options, OPTIONS_SHAPE)
  return options
}
