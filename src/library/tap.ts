/**
 * Tap: one TAP device whose other end is this program, a Duplex stream of plain Ethernet frames.
 *
 *     the host's stack ─▶ the device's ring ─▶ read(2) ─▶ push ──▶ 'data'
 *                      ◀───────────────────── write(2) ◀─ _write ◀─ write()
 *
 * It is opened without IFF_VNET_HDR, so the kernel cuts super-frames and completes checksums before we read them.
 * Neighbour: tap-device.ts, the device and its properties.
 *
 * Invariant: the fd is watched by one Watcher as long as it is open, also while nobody reads: so that the end of the
 * device is told once, whoever brings it about.
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

/** What a {@link Tap} is made with. */
export interface TapOptions {
  /** 1..15 bytes; `%d` in it becomes the first number that is free. Default `tap%d`. */
  name?: string
  /** Network namespace to appear in, as `ip` takes it: a name, a path or a pid. Left out: the current one. */
  netns?: string | number
}

const OPTIONS_SHAPE: Shape<Required<TapOptions>> = { name: 'string', netns: 'netns' }

/** libuv's bits, as `watch` takes them. */
const READABLE = 1
const WRITABLE = 2
/**
 * Told when the device is gone, and only then: tun wakes whoever waits for EPOLLIN or EPOLLPRI (tun_detach_all,
 * sock_def_readable), a TAP never has the latter, and libuv adds what is waited for to the POLLERR that it finds.
 * UV_DISCONNECT is not woken.
 */
const PRIORITIZED = 8

/** Frames read at one go, before whatever else waits in the event loop has its turn. */
const BURST = 64
/** Frames read ahead of a consumer that is slower; beyond them the device's ring fills, and then the kernel drops. */
const READ_AHEAD = 64
/** More than the largest MTU (65521), an Ethernet header and two VLAN tags: read(2) cuts what is longer, silently. */
const FRAME_BYTES_MAX = 65536 + 18

/** Where a frame is read to, before it is copied into a Buffer of its size. */
const scratch = new Uint8Array(FRAME_BYTES_MAX)

/**
 * A TAP device as a Duplex stream of Ethernet frames: destination address first, without preamble and FCS.
 *
 * Every chunk that is read is one whole frame in a Buffer of its own, and every `write` of a Buffer is one frame. The
 * readable side is in object mode, so that no two frames ever run together; its highWaterMark counts frames.
 *
 * The device exists from `new` to {@link Tap.release} and is down at first. An open Tap keeps the process alive. When
 * somebody else deletes the device, or the namespace that it is in, the stream is destroyed with a
 * {@link VethdError}, code `DEVICE_NOT_FOUND`: one 'error', then 'close'.
 *
 * A frame that the kernel does not take is lost, as on any network card, and the stream goes on: EIO while the device
 * is down (counted by the kernel as rx_dropped), EINVAL when it is shorter than an Ethernet header. The event `'drop'`
 * tells of it: `(frame: Buffer, error: VethdError)`. What is written is not held against the MTU, by the kernel
 * neither.
 *
 * The properties are read from the kernel and set in it at once. Setters throw {@link VethdError}, or
 * {@link NetlinkError} with the kernel's own words; nothing has changed then.
 */
export class Tap extends Duplex {
  readonly #device: TapDevice
  #watcher: Watcher | null = null
  /** The events that the watcher waits for. */
  #awaited = 0
  /** The write that the kernel had no room for. */
  #blocked: { frame: Buffer; done: (error?: Error | null) => void } | null = null

  /**
   * Makes the device, synchronously. Throws VethdError: ARGUMENT_INVALID for options that are not as the types have
   * them, NAME_INVALID, DEVICE_EXISTS, NETNS_INVALID, NOT_PERMITTED (it takes CAP_NET_ADMIN and CAP_SYS_ADMIN),
   * TUN_UNAVAILABLE, LIMIT_REACHED.
   */
  constructor(options: TapOptions | string = {}) {
    super({ readableObjectMode: true, readableHighWaterMark: READ_AHEAD })
    const { name = 'tap%d', netns }: TapOptions = typeof options === 'string' ? { name: options } : checked(options)
    this.#device = new TapDevice(name, netns === undefined ? undefined : String(netns))
    this.#await(PRIORITIZED)
  }

  /** The device's present name. Older kernels rename a device only while it is down (EBUSY). */
  get name(): string {
    return this.#device.name
  }

  set name(name: string) {
    checkKind('name', name, 'string')
    validateName(name)
    this.#device.change({ name })
  }

  /** The link layer address that the host's stack has on the device, `02:00:00:00:00:01`. */
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
   * The first IPv4 address of the host's stack on the device, `192.168.1.5/24`, or undefined. Setting puts another in
   * its place, undefined takes it away. ARGUMENT_INVALID without a prefix length.
   */
  get ipv4(): string | undefined {
    return this.#device.address(AF_INET)
  }

  set ipv4(prefix: string | undefined) {
    if (prefix !== undefined) checkKind('ipv4', prefix, 'string')
    this.#device.replaceAddress(AF_INET, prefix)
  }

  /**
   * The first IPv6 address, `2001:db8::1/64`, or undefined; a link-local one only if there is no other. Setting puts
   * another in the place of the first of the same scope, so that the kernel's own link-local one stays. The kernel
   * looks for duplicates for a second or two before it uses it, and takes IPv6 addresses away when the device goes
   * down.
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

  /** Closes the stream and deletes the device, which is gone when this returns; 'close' follows. */
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

  /** Says which events are waited for from now on. */
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
      if (this.destroyed) return // by whoever got the frame
      if (wanted) continue
      this.#await(this.#awaited & ~READABLE) // until _read
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
