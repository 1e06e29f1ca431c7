/** docs/differences.md agrees with the table of scenarios: each line has a row that shows it, and each such row has a line. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { FEATURES_THAT_DIFFER } from './features.js'
import { TABLE } from './table.js'

const page = readFileSync(join(ROOT, 'docs/differences.md'), 'utf8')
/** Table rows: | name | veth | vethd | kernel function |, below the one that separates the heading. */
const lines = page.split('\n').filter((line) => /^\|(?! ?-)/.test(line))
const cells = lines.map((line) =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim()),
)
const [differences, features] = [4, 2].map((columns) => cells.filter((row) => row.length === columns).slice(1))

t.test('every difference has a line and a row', async (t) => {
  const shown = Object.values(TABLE).flatMap((rows) => rows.flatMap(({ differs }) => differs ?? []))
  t.same(differences.map(([name]) => name).sort(), [...new Set(shown)].sort())
})

t.test('every line names a kernel function', async (t) => {
  for (const [name, , , why] of differences) t.match(why, /`[a-z_0-9]+(\(\))?`/, name)
})

t.test('every feature that differs stands on the page, with its reason', async (t) => {
  t.same(Object.fromEntries(features.map(([name, reason]) => [name.replaceAll('`', ''), reason])), FEATURES_THAT_DIFFER)
})
