/**
 * Nameless network namespaces for the tests of the addon, and the devices and frames in them.
 *
 * Invariant: what is made here closes with its test, and a namespace takes its devices with it.
 */
import { execFileSync } from 'node:child_process'
import type { Test } from 'tap'
import { native } from '../../native-bindings/index.js'
import { IFF_NO_PI, IFF_TAP, IFF_VNET_HDR } from '../../src/abi/if-tun.js'

const n = native()

export const TAP = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR

/** An Ethernet frame of 16 bytes behind the 10 of struct virtio_net_hdr. */
export const frame = Uint8Array.from([
  ...Array(10).fill(0), // no checksum to complete, no GSO
  ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // to everybody
  ...[0x02, 0x00, 0x00, 0x00, 0x00, 0x01], // from a locally administered address
  ...[0x88, 0xb5], // IEEE 802 local experimental EtherType
  ...[0xca, 0xfe],
])

/** Runs a program in the namespace of an fd of this process; its stdout. Throws when it fails. */
export function runInside(netnsFd: number, argv: string[], input = ''): string {
  const netns = `--net=/proc/${process.pid}/fd/${netnsFd}`
  return execFileSync('nsenter', [netns, ...argv], { encoding: 'utf8', stdio: 'pipe', input })
}

/** A namespace to make devices in. */
export class Nursery {
  readonly fd = n.netnsCreate()
  constructor(t: Test) {
    t.teardown(() => n.close(this.fd))
  }
  open(t: Test, name: string, flags = TAP): Device {
    return new Device(t, n.tapOpen(name, flags, this.fd))
  }
  /** Runs a program in here; its stdout. Throws when it fails. */
  run(...argv: string[]): string {
    return runInside(this.fd, argv)
  }
  /** Runs iproute2, the witness of what the kernel has; it throws when that fails. */
  ip(...args: string[]): string {
    return this.run('ip', ...args)
  }
  link(name: string): { flags: string[]; ifindex: number } {
    return JSON.parse(this.ip('-j', 'link', 'show', name))[0]
  }
}

/** A TAP fd, which its test may close before the end. */
export class Device {
  #isOpen = true
  constructor(
    t: Test,
    readonly fd: number,
  ) {
    t.teardown(() => this.close())
  }
  close(): void {
    if (this.#isOpen) n.close(this.fd)
    this.#isOpen = false
  }
}

interface Direction {
  packets: number
  dropped: number
}

export const statsOf = (nursery: Nursery, name: string): { rx: Direction; tx: Direction } =>
  JSON.parse(nursery.ip('-s', '-j', 'link', 'show', name))[0].stats64

/** Up, but with nothing of the stack's own to send: no IPv6 address, no multicast groups to join. */
export function bringUpSilently(nursery: Nursery, name: string): void {
  nursery.ip('link', 'set', name, 'addrgenmode', 'none', 'multicast', 'off', 'arp', 'off')
  nursery.ip('link', 'set', name, 'up')
}

/** Sends `frame` `count` times out of the device, by another program and AF_PACKET. */
export function sendFrames(nursery: Nursery, name: string, count: number): void {
  const script = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('${name}', 0))
for i in range(${count}): s.send(bytes.fromhex('${Buffer.from(frame.subarray(10)).toString('hex')}'))`
  nursery.run('python3', '-c', script)
}
