/**
 * Parses and formats link layer addresses, such as `02:00:00:00:00:01`.
 *
 * vethctl parses a user's text as `ip` does (ll_addr_a2n in iproute2's lib/ll_addr.c). All other code accepts only the
 * strict form: octets of one or two hexadecimal digits, separated by colons.
 */
import { EINVAL } from './abi/errno.js'
import { VethdError } from './errors.js'

const OCTET = /^[0-9a-f]{1,2}$/i
const ETH_ALEN = 6

/** Formats octets. */
export function formatLladdr(octets: Iterable<number>): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':')
}

/** Parses an address of any length in the strict form. Throws ADDRESS_INVALID with iproute2's error text. */
export function parseLladdr(text: string): number[] {
  const parts = text.split(':')
  const wrong = parts.find((part) => !OCTET.test(part))
  if (wrong !== undefined) throw invalid(text, { iproute2: `"${wrong}" is invalid lladdr.`, exit: 1 })
  return parts.map((part) => Number.parseInt(part, 16))
}

/** Parses an Ethernet address of six octets in the strict form. Throws ADDRESS_INVALID. */
export function parseMac(text: string): number[] {
  const octets = parseLladdr(text)
  // `ip` accepts addresses of any length. The kernel refuses those that do not have six octets.
  if (octets.length !== ETH_ALEN)
    throw invalid(text, { iproute2: 'RTNETLINK answers: Invalid argument', exit: 2, errno: -EINVAL })
  return octets
}

function invalid(text: string, refusal: { iproute2: string; exit: 1 | 2; errno?: number }): VethdError {
  const message = `"${text}" is not an Ethernet address: write it as 02:00:00:00:00:01`
  return new VethdError('ADDRESS_INVALID', message, refusal)
}

/**
 * Parses an address as ll_addr_a2n() does, and returns it in the strict form. The text has hexadecimal octets with
 * colons, or decimal octets with dots. The kernel checks the number of octets. Throws ADDRESS_INVALID, which names the
 * part that `ip` refuses.
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

/**
 * Parses as sscanf's %x into an int: all leading digits, of whose value the last 32 bits count. NaN without a digit.
 */
function scanHex(text: string): number {
  const [, sign, digits] = /^\s*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)/.exec(text) ?? []
  if (digits === undefined) return Number.NaN
  const value = BigInt(`0x${digits}`)
  return Number(BigInt.asIntN(32, value >> 64n ? -1n : sign === '-' ? -value : value))
}
