/**
 * Documents name only files that exist: those in backquotes, and those they link to.
 *
 * A path is taken as a reader would take it: from the repository, from src/ (`io/uring.ts`), or from the document's
 * own folder. Neighbour: readme.test.ts, which runs what the README says.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '../../..')

/** `src/io/uring.ts`, `native-bindings/`, `test/device`; not `src/<noun>.ts`, `-j`, `/run/vethd`, `lo/up`. */
const PATH_IN_CODE = /`((?:[\w.-]+\/)+(?:[\w-]+(?:\.[\w-]+)+)?|[\w.-]+(?:\/[\w.-]+)+\.[a-z]+)`/g
/** Paths of the kernel's own tree (`drivers/net/veth.c`). */
const KERNEL = /^(drivers|include|net|kernel|fs|Documentation)\//
const LINK = /\]\((?!\w+:|#)([^)#\s]+)/g

function pathsNamed(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '')
  return [...prose.matchAll(PATH_IN_CODE), ...prose.matchAll(LINK)].map((match) => match[1])
}

function missingPaths(document: string, text: string): string[] {
  const bases = [ROOT, join(ROOT, 'src'), join(ROOT, dirname(document))]
  const ours = pathsNamed(text).filter((path) => !KERNEL.test(path))
  return ours.filter((path) => !bases.some((base) => existsSync(join(base, path))))
}

const documents = readdirSync(ROOT, { withFileTypes: true })
  .filter(({ name }) => !/^(\.|node_modules$|dist$)/.test(name))
  .flatMap((entry) => {
    if (!entry.isDirectory()) return [entry.name]
    const below = readdirSync(join(ROOT, entry.name), { recursive: true, encoding: 'utf8' })
    return below.map((path) => join(entry.name, path))
  })
  .filter((path) => path.endsWith('.md'))

t.test('the documents of the repository are looked at', async (t) => {
  t.ok(['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].every((name) => documents.includes(name)))
})

for (const document of documents) {
  t.test(`${document} names only files that exist`, async (t) => {
    t.same(missingPaths(document, readFileSync(join(ROOT, document), 'utf8')), [])
  })
}

t.test('a path that does not exist is found', async (t) => {
  const text =
    'See `src/errors.ts`, `io/`, [here](LICENSE), `src/gone.ts`, `gone/`, [gone](docs/gone.md), `ip -s link`.'
  t.same(missingPaths('README.md', text), ['src/gone.ts', 'gone/', 'docs/gone.md'])
})
