/**
 * vethd beside kernel veth: every row of the table is played on kernel veth, on vethd with io_uring and on vethd with the
 * poll engine, and what can be observed is compared. What differs, and must, has a row too, which shows it.
 *
 * Rows settle for 20 ms: vethd hears of a change by netlink, where veth is the change. That window is itself a difference
 * (docs/differences.md); a machine that is busy elsewhere stretches it, so a few rows may take longer.
 *
 *   ORACLE_ROW=bridge node dist/test/oracle/oracle.test.js     plays the rows whose names hold that word;
 *   ORACLE_SHOW=1                                              and shows what kernel veth did
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { ENGINES } from '../device/harness/subject.js'
import { missing, Topology } from '../device/harness/topology.js'
import { look } from './probes.js'
import type { Row } from './row.js'
import { play } from './steps.js'
import { TABLE } from './table.js'
import { World } from './world.js'

const SETTLE_MS = 20
/** How long an observation may stay different before it counts as different. */
const PATIENCE_MS = 1000
/** Rows of a hundred that may be late: the settling time is a p95. */
const LATE_PERCENT = 5

t.setTimeout(300_000)
const skip = missing('ip', 'python3', 'ethtool', 'tc', 'bridge', 'ping', 'sysctl')

/** What a row's steps answered, and what its probes saw. */
interface Seen {
  answers: Record<string, string>
  probes: Record<string, unknown>
}

t.test('the table', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [kernel, ...ours] = await Promise.all([undefined, ...ENGINES].map((engine) => World.make(topology, engine)))
  // what is refused is refused by the ip of "vethctl exec" too
  const byIp = await World.make(topology, 'uring', true)
  const late: string[] = []
  const wanted = process.env.ORACLE_ROW
  for (const [theme, rows] of Object.entries(TABLE)) {
    await t.test(theme, async (t) => {
      for (const row of rows.filter(({ name }) => wanted === undefined || name.includes(wanted))) {
        await t.test(row.name, async (t) => {
          await compare(t, row, kernel, theme === 'refusals' ? [...ours, byIp] : ours, late)
        })
      }
    })
  }
  const rows = Object.values(TABLE).flat().length
  t.ok(late.length <= Math.ceil((rows * LATE_PERCENT) / 100), `late: ${late.join('; ') || 'none'}`)
  for (const { daemon } of [...ours, byIp]) t.equal((await daemon!.stop()).code, 0)
})

async function compare(t: Test, row: Row, kernel: World, ours: World[], late: string[]): Promise<void> {
  const worlds = [kernel, ...ours]
  try {
    // each to its end: what one world still does must not meet the next row
    const played = await Promise.allSettled(worlds.map((world) => playAll(world, row)))
    const answers = played.map((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
    await sleep(SETTLE_MS)
    const expected = { answers: answers[0], probes: await lookAll(kernel, row) }
    if (process.env.ORACLE_SHOW) t.comment(JSON.stringify(expected, undefined, 2))
    await Promise.all(
      ours.map(async (world, i) => {
        const seen = { answers: answers[i + 1], probes: await lookAll(world, row) }
        if (row.differs !== undefined) {
          t.notSame(seen, expected, `${world.name} differs: ${row.differs}`)
          return
        }
        const isLate = !isDeepStrictEqual(seen, expected)
        const deadline = performance.now() + PATIENCE_MS
        while (!isDeepStrictEqual(seen, expected) && performance.now() < deadline) {
          await sleep(SETTLE_MS)
          seen.probes = await lookAll(world, row)
        }
        if (isLate && isDeepStrictEqual(seen, expected)) late.push(`${row.name} (${world.name})`)
        t.strictSame(seen satisfies Seen, expected, world.name)
      }),
    )
  } finally {
    await Promise.all(worlds.map((world) => world.renew()))
  }
}

async function playAll(world: World, { steps }: Row): Promise<Seen['answers']> {
  const answers: Seen['answers'] = {}
  for (const [i, step] of steps.entries()) {
    const answer = await play(world, step)
    if (answer !== undefined) answers[`${i + 1}. ${step}`] = answer
  }
  return answers
}

async function lookAll(world: World, { compare }: Row): Promise<Seen['probes']> {
  const probes: Seen['probes'] = {}
  for (const probe of compare) probes[probe] = await look(world, probe)
  return probes
}
