/**
 * `tc qdisc` for the root of an end, in words that have the effect there that tc's own words have on a veth.
 *
 * Both have noqueue at their root. The kernel passes over a veth's, since the handle of that is 0:, but not over an
 * end's: a qdisc that is set always has a handle (netlink/qdisc.ts sets it).
 *
 * Neighbour: as-tc.ts runs what this returns.
 */
import { matches } from './keywords.js'

export interface RootQdisc {
  kind: string
  handle: string
}

/** What vethd gives every end. On another device only somebody's hand can have put it there. */
const OURS = { kind: 'noqueue', handle: '8001:' }
const NO_HANDLE = '0:'

/** What the kernel says where it has nothing to delete; tc exits with 2 then. */
export const NOTHING_TO_DELETE = 'Error: Cannot delete qdisc with handle of zero.'

/** The commands that differ on an end, in tc_qdisc's order. `replace` and `show` do not. */
const COMMANDS = ['add', 'change', 'link', 'delete'] as const

/** Whether words of tc's are a command for a root qdisc that may have to be another one on an end. */
export function isForRoot(words: readonly string[]): boolean {
  return matches(words[0] ?? '', 'qdisc') && commandOf(words) !== undefined && words.includes('root', 2)
}

/**
 * The words that do to the root of an end what `words`, for which isForRoot() holds, do to that of a veth.
 * `NOTHING_TO_DELETE` where there are no such words.
 */
export function asOnVeth(
  words: readonly string[],
  rootOf: (device: string) => RootQdisc | undefined,
): readonly string[] | typeof NOTHING_TO_DELETE {
  const [object, , ...rest] = words
  const at = rest.indexOf('dev')
  const root = at < 0 || at + 1 === rest.length ? undefined : rootOf(rest[at + 1])
  if (root === undefined) return words
  const others = rest.toSpliced(at, 2)
  const isOurs = root.kind === OURS.kind && root.handle === OURS.handle
  // the TAP's default qdisc, which vethd is about to replace by its own
  const becomesOurs = root.kind !== OURS.kind && root.handle === NO_HANDLE
  if (!(isOurs || becomesOurs) || !others.includes('root')) return words

  const hasHandle = others.includes('handle')
  switch (commandOf(words)) {
    case 'add':
      // over a qdisc of another kind the kernel adds one without a handle by itself
      return hasHandle || others.includes(OURS.kind) ? [object, 'replace', ...rest] : words
    case 'change':
    case 'link':
      // nothing to change: what the kernel says of any handle that is not there, but to `change` over another handle
      return [object, 'link', ...(hasHandle ? [] : ['handle', '1:']), ...rest]
    default:
      return ['root', 'parent root'].includes(others.join(' ')) ? NOTHING_TO_DELETE : words
  }
}

function commandOf([, command = '']: readonly string[]): (typeof COMMANDS)[number] | undefined {
  return COMMANDS.find((known) => matches(command, known))
}
