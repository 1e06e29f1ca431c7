/**
 * Checks at run time that options have the types that TypeScript promises, because JavaScript programs use the library
 * too.
 *
 * Neighbours: open-pair.ts and tap.ts define the shapes of their options; veth/birth/validate.ts checks the values.
 * Invariant: options are checked before anything is opened, so that nothing is left behind.
 */
import { VethdError } from '../errors.js'
import type { EndOptions } from '../veth/options.js'

interface Kind {
  /** How an error message describes this kind. */
  is: string
  fits(value: unknown): boolean
}

const isString = (value: unknown) => typeof value === 'string'

/** The kinds of a member. Ranges with error codes of their own are checked in veth/birth/validate.ts. */
export const KINDS = {
  string: { is: 'a string', fits: isString },
  boolean: { is: 'true or false', fits: (value) => typeof value === 'boolean' },
  number: { is: 'a number', fits: (value) => typeof value === 'number' },
  uint32: { is: 'a whole number from 0 to 4294967295', fits: (value) => isWithin(value, 0, 0xffffffff) },
  index: { is: 'a whole number from 1 to 2147483647', fits: (value) => isWithin(value, 1, 0x7fffffff) },
  netns: { is: 'a name, a path or a pid', fits: (value) => isString(value) || isWithin(value, 0, 0x7fffffff) },
  stringOrNull: { is: 'a string or null', fits: (value) => value === null || isString(value) },
  linkMode: { is: '"default" or "dormant"', fits: (value) => value === 'default' || value === 'dormant' },
  object: { is: 'an object', fits: isPlain },
  any: { is: 'anything', fits: () => true },
} as const satisfies Record<string, Kind>

/** The kind of each member of T. A member that is undefined counts as left out. */
export type Shape<T> = Record<keyof T, keyof typeof KINDS>

/** The attributes that both `ip link add` and `ip link set` accept. */
export const ATTRIBUTES = {
  name: 'string',
  address: 'string',
  broadcast: 'string',
  mtu: 'number',
  netns: 'netns',
  group: 'uint32',
  txqueuelen: 'number',
  linkMode: 'linkMode',
  arp: 'boolean',
  multicast: 'boolean',
  allmulticast: 'boolean',
  promisc: 'boolean',
  dynamic: 'boolean',
  trailers: 'boolean',
} as const satisfies Partial<Shape<EndOptions & { netns: unknown }>>

/**
 * Throws ARGUMENT_INVALID, which names the member that is wrong or unknown. `what`: the object's name for the message.
 */
export function checkShape<T extends object>(what: string, value: T, shape: Shape<Required<T>>): void {
  checkKind(what, value, 'object')
  for (const [name, member] of Object.entries(value)) {
    const kind = Object.hasOwn(shape, name) ? shape[name as keyof T] : undefined
    if (kind === undefined) {
      const known = Object.keys(shape).join(', ')
      throw new VethdError('ARGUMENT_INVALID', `${what} has an unknown member "${name}": it takes ${known}`)
    }
    if (member !== undefined) checkKind(`${what}.${name}`, member, kind)
  }
}

/** The same for one value. */
export function checkKind(what: string, value: unknown, kind: keyof typeof KINDS): void {
  const { is, fits }: Kind = KINDS[kind]
  if (!fits(value)) throw new VethdError('ARGUMENT_INVALID', `${what} is ${textOf(value)}: it must be ${is}`)
}

function isWithin(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
}

/** Whether the value is an object and no array. */
function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  return Array.isArray(value) ? 'an array' : isPlain(value) ? 'an object' : String(value)
}
