/** docs/benchmarks.md and its charts are what bench/docs.ts makes from the results in the repository: no figure is typed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DOCS, makeDocs, readCheckedIn, unexplained } from '../../bench/docs.js'

const page = readFileSync(join(DOCS, 'benchmarks.md'), 'utf8')

for (const [name, text] of Object.entries(makeDocs(page))) {
  t.test(`docs/${name} is up to date`, async (t) => {
    t.equal(readFileSync(join(DOCS, name), 'utf8'), text, 'npm run bench -- --docs makes it')
  })
}

t.test('a figure that was typed is corrected, and prose stays', async (t) => {
  const typed = page.replace('<!-- /goals -->', '| typed | 1 | 2 | met |\n\n<!-- /goals -->')
  t.not(typed, page)
  t.equal(makeDocs(typed)['benchmarks.md'], page)
  const prose = page.replace('## Method', 'By hand.\n\n## Method')
  t.not(prose, page)
  t.equal(makeDocs(prose)['benchmarks.md'], prose)
})

t.test('each goal that a CPU model misses is explained, with a profile', async (t) => {
  t.same(unexplained(readCheckedIn()), [], 'bench/explanations.ts has the explanations')
})
