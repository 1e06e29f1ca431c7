/**
 * Link layer addresses as text, `02:00:00:00:00:01`: reading and writing them.
 *
 * A user's text is read as `ip` reads it (ll_addr_a2n in iproute2's lib/ll_addr.c). Everything behind that takes the
 * strict form: octets of one or two hexadecimal digits, separated by colons.
 */
import { EINVAL } from './abi/errno.js'
import { VethdError } from './errors.js'

const OCTET = /^[0-9a-f]{1,2}$/i
const ETH_ALEN = 6

/** Octets as text. */
export function formatLladdr(octets: Iterable<number>): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':')
}

/** The octets of an address in the strict form, of any length. Throws ADDRESS_INVALID with iproute2's words. */
export function parseLladdr(text: string): number[] {
  const parts = text.split(':')
  const wrong = parts.find((part) => !OCTET.test(part))
  if (wrong !== undefined) throw invalid(text, { iproute2: `"${wrong}" is invalid lladdr.`, exit: 1 })
  return parts.map((part) => Number.parseInt(part, 16))
}

/** The six octets of an Ethernet address in the strict form. Throws ADDRESS_INVALID. */
export function parseMac(text: string): number[] {
  const octets = parseLladdr(text)
  // `ip` reads addresses of any length. The kernel refuses those that do not have six octets.
  if (octets.length !== ETH_ALEN)
    throw invalid(text, { iproute2: 'RTNETLINK answers: Invalid argument', exit: 2, errno: -EINVAL })
  return octets
}

function invalid(text: string, refusal: { iproute2: string; exit: 1 | 2; errno?: number }): VethdError {
  const message = `"${text}" is not an Ethernet address: write it as 02:00:00:00:00:01`
  return new VethdError('ADDRESS_INVALID', message, refusal)
}

/**
 * ll_addr_a2n(): octets in hexadecimal with colons, or four in decimal with dots. The strict form of it. The kernel judges
 * how many there are. Throws ADDRESS_INVALID, which names the part at which `ip` stops.
 */
export function scanLladdr(text: string): string {
  const dotted = text.includes('.')
  const octets = text.split(dotted ? '.' : ':').map((part) => {
    const value = dotted ? (/^[0-9]{1,3}$/.test(part) ? Number(part) : Number.NaN) : scanHex(part)
    if (value >= 0 && value <= 255) return value
    throw invalid(text, { iproute2: `"${dotted ? text : part}" is invalid lladdr.`, exit: 1 })
  })
  return formatLladdr(octets)
}

/** sscanf's %x into an int: as many digits as there are, whatever follows them, and the last 32 bits; NaN without any. */
function scanHex(text: string): number {
  const [, sign, digits] = /^\s*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)/.exec(text) ?? []
  if (digits === undefined) return Number.NaN
  const value = BigInt(`0x${digits}`)
  return Number(BigInt.asIntN(32, value >> 64n ? -1n : sign === '-' ? -value : value))
}
