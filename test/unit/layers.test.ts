/**
 * Dependencies point one way: this test defines which part of the project may import which. A part belongs to one
 * thread.
 *
 *     cli → client ⇢ (control socket) ⇢ daemon, library → veth → messages, counters ← worker → lane → io, frame → abi
 *
 * It reads the sources, not the compiled files. Neighbour: docs/architecture.md, which has the same picture.
 * Invariants: every part has a line in MAY_IMPORT, so a new folder must be added there. No files import each other in a
 * circle, not even for a type.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../../..')

/** The only files that both sides of the data plane import from each other. */
const SHARED = ['messages', 'counters']
const MAIN_THREAD = ['abi', 'frame', 'io', 'netlink', 'errors', 'lladdr', 'netns-name', 'native-bindings', ...SHARED]

/** Part → the parts that it may import in addition to itself. A part is a folder, or a file next to the folders. */
const MAY_IMPORT: Record<string, string[]> = {
  abi: [],
  errors: ['abi'],
  'netns-name': ['abi', 'errors'],
  lladdr: ['abi', 'errors'],
  frame: ['abi'],
  io: ['abi', 'frame', 'errors', 'native-bindings'],
  netlink: ['abi', 'errors', 'lladdr', 'netns-name', 'native-bindings'],
  counters: ['frame'],
  messages: ['io'],
  lane: ['abi', 'frame', 'io', ...SHARED],
  worker: ['abi', 'frame', 'io', 'native-bindings', 'lane', ...SHARED],
  veth: MAIN_THREAD,
  library: [...MAIN_THREAD, 'veth'],
  index: [...MAIN_THREAD, 'veth', 'library'],
  daemon: [...MAIN_THREAD, 'veth', 'api'],
  api: ['abi', 'errors'],
  client: ['abi', 'api', 'errors', 'netns-name'],
  cli: ['abi', 'frame', 'api', 'client', 'errors', 'lladdr'],
  'native-bindings': [],
}

/** `src/io/uring.ts` → `io`, `src/errors.ts` → `errors`, `daemon/main.ts` → `daemon`. */
function partOf(path: string): string {
  return path
    .replace(/^src\//, '')
    .replace(/\.ts$/, '')
    .split('/')[0]
}

/** The project's files that a source imports, as paths relative to the repository. */
function imports(path: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map((imported) => imported.fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, resolve(ROOT, dirname(path), name)).replace(/\.js$/, '.ts'))
}

/** The forbidden imports of one source. */
function violations(path: string, text: string): string[] {
  const from = partOf(path)
  const allowed = MAY_IMPORT[from]
  if (allowed === undefined) return [`${path}: say in MAY_IMPORT what ${from} may import`]
  return imports(path, text)
    .filter((target) => partOf(target) !== from && !allowed.includes(partOf(target)))
    .map((target) => `${path} imports ${target}`)
}

/** A circle of files, each of which imports the next; undefined if there is none. */
function circle(graph: ReadonlyMap<string, string[]>): string | undefined {
  const clear = new Set<string>()
  const visit = (path: string, way: string[]): string | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path].join(' → ')
    if (clear.has(path)) return undefined
    for (const next of graph.get(path) ?? []) {
      const found = visit(next, [...way, path])
      if (found !== undefined) return found
    }
    clear.add(path)
    return undefined
  }
  for (const path of graph.keys()) {
    const found = visit(path, [])
    if (found !== undefined) return found
  }
  return undefined
}

function sourcesUnder(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

t.test('every import points in the allowed direction', async (t) => {
  const sources = ['src', 'daemon', 'native-bindings'].flatMap(sourcesUnder)
  t.ok(sources.length > 0, 'there are sources to look at')
  t.same(
    sources.flatMap((path) => violations(path, readFileSync(join(ROOT, path), 'utf8'))),
    [],
  )
})

t.test('no files import each other in a circle', async (t) => {
  const sources = ['src', 'daemon', 'native-bindings'].flatMap(sourcesUnder)
  t.equal(
    circle(new Map(sources.map((path) => [path, imports(path, readFileSync(join(ROOT, path), 'utf8'))]))),
    undefined,
  )
  const round: [string, string[]][] = [
    ['a', ['b', 'c']],
    ['b', ['c']],
    ['c', ['d']],
    ['d', ['b']],
  ]
  t.equal(circle(new Map(round)), 'b → c → d → b')
})

t.test('only native-bindings/index.ts loads the addon', async (t) => {
  const loaders = ['src', 'daemon', 'native-bindings']
    .flatMap(sourcesUnder)
    .filter((path) => readFileSync(join(ROOT, path), 'utf8').includes('vethd.node'))
  t.same(loaders, ['native-bindings/index.ts'])
})

t.test('an import that points the wrong way is found', async (t) => {
  const cases: [path: string, text: string, found: string[]][] = [
    ['src/frame/vlan.ts', "import { ETH_P_8021Q } from '../abi/ether.js'", []],
    ['src/frame/vlan.ts', "import { join } from 'node:path'", []],
    ['src/frame/vlan.ts', "import { Slab } from '../io/slab.js'", ['src/frame/vlan.ts imports src/io/slab.ts']],
    ['src/frame/vlan.ts', "export * from '../errors.js'", ['src/frame/vlan.ts imports src/errors.ts']],
    [
      'src/cli/main.ts',
      "import type { Pair } from '../veth/device.js'",
      ['src/cli/main.ts imports src/veth/device.ts'],
    ],
    ['src/client/index.ts', "await import('../io/index.js')", ['src/client/index.ts imports src/io/index.ts']],
    [
      'src/cli/doctor.ts',
      "import { native } from '../../native-bindings/index.js'",
      ['src/cli/doctor.ts imports native-bindings/index.ts'],
    ],
    ['src/index.ts', "import { main } from '../daemon/main.js'", ['src/index.ts imports daemon/main.ts']],
    ['src/hooks/a.ts', '', ['src/hooks/a.ts: say in MAY_IMPORT what hooks may import']],
  ]
  for (const [path, text, found] of cases) t.same(violations(path, text), found, `${path}: ${text}`)
})
