/** docs/errors.md matches the table of errors, and docs/api.md matches the routes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ERRORS } from '../../../src/errors.js'

const ROOT = join(import.meta.dirname, '../../../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

t.test('docs/errors.md has every error, its title, its status and its exit code', async (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (\d+) \| (\d+) \| .+ \|$/gm)]
  t.same(
    rows.map(([, code, title, status, exit]) => [code, { title, status: Number(status), exit: Number(exit) }]),
    Object.entries(ERRORS),
  )
})

t.test('docs/api.md has every route, and no other', async (t) => {
  const sources = readdirSync(join(ROOT, 'daemon/routes')).map((name) => read(`daemon/routes/${name}`))
  const routes = sources.flatMap((source) =>
    [...source.matchAll(/\bapp\.(get|post|patch|put|delete)\(\s*'([^']+)'/g)].map(
      ([, method, path]) => `${method.toUpperCase()} ${path}`,
    ),
  )
  const documented = [...read('docs/api.md').matchAll(/^### `([A-Z]+ [^`]+)`$/gm)].map(([, route]) => route)
  t.ok(routes.length > 0)
  t.same(documented.sort(), routes.sort())
})
