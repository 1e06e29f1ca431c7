/** docs/benchmarks.md and its charts are what bench/docs.ts makes of the checked-in results: no figure was typed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DOCS, makeDocs } from '../../bench/docs.js'

const page = readFileSync(join(DOCS, 'benchmarks.md'), 'utf8')

for (const [name, text] of Object.entries(makeDocs(page))) {
  t.test(`docs/${name} is up to date`, async (t) => {
    t.equal(readFileSync(join(DOCS, name), 'utf8'), text, 'npm run bench -- --docs makes it')
  })
}

t.test('a figure that was typed is put right, and prose stays', async (t) => {
  const typed = page.replace('<!-- /goals -->', '| typed | 1 | 2 | met |\n\n<!-- /goals -->')
  t.not(typed, page)
  t.equal(makeDocs(typed)['benchmarks.md'], page)
  const prose = page.replace('## Levers', 'By hand.\n\n## Levers')
  t.equal(makeDocs(prose)['benchmarks.md'], prose)
})
