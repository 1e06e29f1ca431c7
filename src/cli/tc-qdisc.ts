/**
 * Translates `tc qdisc` commands for the root of an end, so that they have the same effect as on a veth.
 *
 * Both devices have noqueue as their root qdisc. The kernel ignores a veth's, because its handle is 0:. It does not ignore that
 * of an end: a qdisc that was set explicitly always has a handle (netlink/qdisc.ts sets it).
 *
 * Neighbour: as-tc.ts runs what this returns.
 */
import { matches } from './keywords.js'

export interface RootQdisc {
  kind: string
  handle: string
}

/** The root qdisc that vethd gives to every end. On other devices it was set by a user. */
const OURS = { kind: 'noqueue', handle: '8001:' }
const NO_HANDLE = '0:'

/** The kernel's text if there is no qdisc to delete; tc then exits with 2. */
export const NOTHING_TO_DELETE = 'Error: Cannot delete qdisc with handle of zero.'

/** The commands that differ on an end, in tc_qdisc's order. `replace` and `show` do not. */
const COMMANDS = ['add', 'change', 'link', 'delete'] as const

/** Whether the words are a command for a root qdisc that may need a translation on an end. */
export function isForRoot(words: readonly string[]): boolean {
  return matches(words[0] ?? '', 'qdisc') && commandOf(words) !== undefined && words.includes('root', 2)
}

/**
 * The words with the effect on an end's root qdisc that `words` have on a veth's; isForRoot() holds for `words`.
 * `NOTHING_TO_DELETE` if there are none.
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
  // the TAP's default qdisc, which vethd will replace soon
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
