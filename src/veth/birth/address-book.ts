/**
 * Link layer addresses. They are always set explicitly, because udev rewrites one that the kernel chose; locally
 * administered, and the same for the same machine and names each time, so that DHCP leases and neighbour entries
 * survive a restart.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { formatLladdr, parseMac } from '../../lladdr.js'

/** The two halves that the data plane compares: upper 16 and lower 32 bits. */
export function receiverAddress(address: string): { macHigh: number; macLow: number } {
  const [a, b, c, d, e, f] = parseMac(address)
  return { macHigh: (a << 8) | b, macLow: ((c << 24) | (d << 16) | (e << 8) | f) >>> 0 }
}

/** The addresses that vethd's devices have now, and the rule for new ones. */
export class AddressBook {
  readonly #machine: Buffer
  readonly #used = new Set<string>()

  /** `machineId`: what tells this machine from others; undefined for random addresses. */
  constructor(machineId = readMachineId()) {
    this.#machine = machineId === undefined ? randomBytes(16) : Buffer.from(machineId)
  }

  /** The addresses of dev and peer: those asked for, derived ones for the others. */
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

  /** An address that is in use already (the same names in another namespace) is salted again. */
  #derive(name: string, peerName: string): string {
    for (let salt = 0; ; salt++) {
      const digest = createHash('sha256').update(this.#machine).update(`\0${name}\0${peerName}\0${salt}`).digest()
      digest[0] = (digest[0] & 0xfe) | 0x02 // individual, locally administered
      const address = formatLladdr(digest.subarray(0, 6))
      if (!this.#used.has(address)) return address
    }
  }
}

/** machine-id(5); undefined where there is none, or an empty one. */
function readMachineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
