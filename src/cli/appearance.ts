/**
 * The output styles of `ip`: colours (lib/color.c), human-readable numbers (print_num of ip/ipaddress.c), one line for each
 * device. Neighbours: options.ts parses the options, link-format.ts and link-stats.ts apply them.
 */
import type { Options } from './options.js'

/** The items that have a colour. */
export type Painted = 'name' | 'address' | 'up' | 'down'

export interface Appearance {
  /** The separator between the lines of one device: a backslash with `-o`. */
  eol: string
  paint(text: string, what: Painted | undefined): string
  /** A counter. */
  number(digits: string): string
  /** Whether columns adapt to their numbers. Human-readable numbers are always short. */
  exact: boolean
}

/** SGR parameters on a light background; on a dark one they are bold. */
const COLORS: Record<Painted, number> = { name: 36, address: 33, up: 32, down: 31 }

type Wishes = Pick<Options, 'oneline' | 'human' | 'iec' | 'color'>

/** `background`: COLORFGBG, whose last field tells the terminal's background. */
export function appearanceOf(
  { oneline, human, iec, color }: Wishes,
  isTerminal = process.stdout.isTTY,
  background = process.env.COLORFGBG,
): Appearance {
  const isColored = color === 'always' || (color === 'auto' && isTerminal)
  const bold = /;[0-68]$/.test(background ?? '') ? '1;' : ''
  return {
    eol: oneline ? '\\' : '\n',
    paint: (text, what) => (isColored && what !== undefined ? `\x1b[${bold}${COLORS[what]}m${text}\x1b[0m` : text),
    number: human ? (digits) => humanNumber(digits, iec) : (digits) => digits,
    exact: !human,
  }
}

/** print_num(): three digits or so, and the unit. */
export function humanNumber(digits: string, iec: boolean): string {
  const count = BigInt(digits)
  const base = iec ? 1024n : 1000n
  if (count < base) return digits
  const units = 'kMGTPE'
  let unit = 0
  let power = base
  for (; count / base >= power && unit < units.length - 1; unit++) power *= base
  const whole = count / power
  const precision = whole < 10n ? 2 : whole < 100n ? 1 : 0
  return `${printf(Number(count) / Number(power), precision)}${units[unit]}${iec ? 'i' : ''}`
}

/** `%.*f`, which rounds a tie to the even digit, and toFixed() up. A tie is a multiple of an eighth here. */
function printf(value: number, precision: number): string {
  const scaled = value * 10 ** precision
  const isTie = (value * 8) % 1 === 0 && scaled % 1 === 0.5
  return (isTie && Math.floor(scaled) % 2 === 0 ? Math.floor(scaled) / 10 ** precision : value).toFixed(precision)
}
