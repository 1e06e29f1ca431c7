/**
 * Small functions of iproute2 (lib/utils.c, lib/ll_addr.c): abbreviations of keywords, and parsing of numbers, names and link
 * layer addresses, with ip's error texts. Neighbours: link-grammar.ts, options.ts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { encodeText } from '../abi/text.js'
import { type ErrorCode, VethdError } from '../errors.js'

/** matches(): whether `word` is `keyword` or an abbreviation of it. */
export function matches(word: string, keyword: string): boolean {
  return word !== '' && keyword.startsWith(word)
}

/** invarg(): exit 255. */
export function wrongArgument(argument: string, why: string, detail: string, code: ErrorCode = 'ARGUMENT_INVALID') {
  return new VethdError(code, detail, { iproute2: `Error: argument "${argument}" is wrong: ${why}`, exit: 255 })
}

/** duparg(): the same keyword twice. */
export function duplicateArgument(key: string, argument: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', `give "${key}" only once`, {
    iproute2: `Error: duplicate "${key}": "${argument}" is the second value.`,
  })
}

/** duparg2(): a word that is not a keyword, after the device was already named. */
export function garbageArgument(key: string, argument: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', `"${argument}" is not a keyword here: see "vethctl link help"`, {
    iproute2: `Error: either "${key}" is duplicate, or "${argument}" is a garbage.`,
  })
}

/** incomplete_command(): the last keyword lacks its value. */
export function incompleteCommand(keyword: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', `"${keyword}" needs a value`, {
    iproute2: 'Command line is not complete. Try option "help"',
  })
}

/** get_integer(): C's strtol with base 0 (decimal, 0x…, 0…) within 32 signed bits; undefined if it is not a number. */
export function parseInteger(text: string): number | undefined {
  return parseNumber(text, -0x80000000, 0x7fffffff)
}

/** get_unsigned(): the same within 32 bits without a sign. */
export function parseUnsigned(text: string): number | undefined {
  return parseNumber(text, 0, 0xffffffff)
}

function parseNumber(text: string, min: number, max: number): number | undefined {
  const parts = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text)
  if (parts === null) return undefined
  const [, sign, digits] = parts
  const octal = digits.length > 1 && digits[0] === '0' && !/^0[xX]/.test(digits)
  const value =
    (sign === '-' ? -1 : 1) *
    Number.parseInt(octal ? digits.slice(1) : digits, octal ? 8 : /^0[xX]/.test(digits) ? 16 : 10)
  return value >= min && value <= max ? value : undefined
}

/** atoi(): strtol's 64 bits cut to the last 32, so that 2147483648 is negative; 0 when it is no number. */
export function parseAtoi(text: string): number {
  const [digits] = /^\s*[+-]?[0-9]+/.exec(text) ?? ['0']
  const long = BigInt(digits.trim().replace('+', ''))
  const clamped = long > LONG_MAX ? LONG_MAX : long < ~LONG_MAX ? ~LONG_MAX : long
  return Number(BigInt.asIntN(32, clamped))
}
const LONG_MAX = 2n ** 63n - 1n

/** rtnl_group_a2n(): a name of /etc/iproute2/group, or a number from 0 on as C's strtol reads it, within 32 signed bits. */
export function parseGroup(word: string): number {
  const named = groupNames().get(word)
  if (named !== undefined) return named
  const value = parseInteger(word)
  if (value !== undefined && value >= 0) return value
  throw wrongArgument(word, 'Invalid "group" value', `a group is a number, or a name of ${GROUP_FILES.join(' or ')}`)
}

/** Where iproute2 looks for names of groups; the second since 6.7. */
const GROUP_FILES = ['/etc/iproute2/group', '/usr/share/iproute2/group']

function groupNames(): Map<string, number> {
  const names = new Map([['default', 0]])
  const file = GROUP_FILES.find((path) => existsSync(path))
  const lines = file === undefined ? [] : readFileSync(file, 'utf8').split('\n')
  for (const line of lines) {
    const [, number, name] = /^\s*(0x[0-9a-fA-F]+|[0-9]+)\s+([^\s#]+)/.exec(line) ?? []
    if (name !== undefined) names.set(name, Number(number))
  }
  return names
}

/** parse_on_off(), and on_off() of ip/iplink.c, which has another text and another exit code. */
export function parseOnOff(keyword: string, word: string, { exit, allowed }: OnOffRefusal): boolean {
  if (word === 'on' || word === 'off') return word === 'on'
  throw new VethdError('ARGUMENT_INVALID', `the value of "${keyword}" must be "on" or "off"`, {
    iproute2: `Error: argument of "${keyword}" must be ${allowed}, not "${word}"`,
    exit,
  })
}

interface OnOffRefusal {
  allowed: string
  exit: number
}
export const ON_OFF: OnOffRefusal = { allowed: '"on" or "off"', exit: 1 }
export const ONE_OF_ON_OFF: OnOffRefusal = { allowed: 'one of "off", "on"', exit: 22 }

/** A word of a list, in upper or lower case (get_operstate(), get_link_mode()); `what` as ip calls it. */
export function parseOneOf<const Word extends string>(words: readonly Word[], word: string, what: string): Word {
  const found = words.find((known) => known === word.toLowerCase())
  if (found !== undefined) return found
  throw wrongArgument(word, `Invalid ${what}`, `it must be one of ${words.join(', ')}`)
}

/** check_altifname(): the characters that a device name cannot have. The kernel checks the length. */
export function isDeviceName(name: string): boolean {
  return name !== '' && !/[/ \t-\r]/.test(name)
}

/** check_ifname(): the same, and at most 15 bytes. */
export function isShortDeviceName(name: string): boolean {
  return isDeviceName(name) && encodeText(name).length < 16
}
