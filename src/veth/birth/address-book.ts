/**
 * Link layer addresses of new devices. They are always set explicitly, because udev rewrites an address that the kernel
 * chose. They are locally administered, and the same machine and names always give the same address, so that DHCP
 * leases and neighbour entries survive a restart.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { formatLladdr, parseMac } from '../../lladdr.js'

/** The two parts of an address that the data plane compares: upper 16 and lower 32 bits. */
export function receiverAddress(address: string): { macHigh: number; macLow: number } {
  const [a, b, c, d, e, f] = parseMac(address)
  return { macHigh: (a << 8) | b, macLow: ((c << 24) | (d << 16) | (e << 8) | f) >>> 0 }
}

/** The addresses in use by vethd's devices, and the rule for new ones. */
export class AddressBook {
  readonly #machine: Buffer
  readonly #used = new Set<string>()

  /** `machineId`: a string unique to this machine; undefined for random addresses. */
  constructor(machineId = readMachineId()) {
    this.#machine = machineId === undefined ? randomBytes(16) : Buffer.from(machineId)
  }

  /** Reserves the addresses of dev and peer: the requested ones, or derived ones. */
  reserve(devName: string, peerName: string, dev?: string, peer?: string): [string, string] {
    return [this.#take(dev ?? this.#derive(devName, peerName)), this.#take(peer ?? this.#derive(peerName, devName))]
  }

  release(addresses: Iterable<string>): void {
    for (const address of addresses) this.#used.delete(address)
  }

  #take(address: string): string {
    const canonical = formatLladdr(parseMac(address))
    this.#used.add(canonical)
    return canonical
  }

  /** Derives an address. If it is in use already (same names in another namespace), it is salted again. */
  #derive(name: string, peerName: string): string {
    for (let salt = 0; ; salt++) {
      const digest = createHash('sha256').update(this.#machine).update(`\0${name}\0${peerName}\0${salt}`).digest()
      digest[0] = (digest[0] & 0xfe) | 0x02 // individual, locally administered
      const address = formatLladdr(digest.subarray(0, 6))
      if (!this.#used.has(address)) return address
    }
  }
}

/** Reads machine-id(5); undefined if it is missing or empty. */
function readMachineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
