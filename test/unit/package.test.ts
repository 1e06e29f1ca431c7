/** The package: its dependencies accept every Node version that its `engines` field promises. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '../../..')
const read = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
// semver is a dependency of npm's tools and of fastify, and has no types
const { minVersion, satisfies } = createRequire(import.meta.url)('semver')

interface Locked {
  dev?: boolean
  engines?: { node?: string }
}

t.test('no dependency at run time excludes the oldest Node that the package promises', async (t) => {
  const oldest: string = minVersion(read('package.json').engines.node).version
  const locked = Object.entries<Locked>(read('package-lock.json').packages)
  const production = locked.filter(([path, { dev }]) => path.startsWith('node_modules/') && !dev)
  t.ok(production.length > 10)
  const excluding = production.filter(([, { engines }]) => !satisfies(oldest, engines?.node ?? '*'))
  t.same(
    excluding.map(([path, { engines }]) => `${path} wants Node ${engines?.node}`),
    [],
    oldest,
  )
})
