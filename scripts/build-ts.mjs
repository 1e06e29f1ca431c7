/**
 * Compiles TypeScript into dist/, copies the shell scripts, makes the commands executable, and removes output whose source
 * is gone. Types are not checked here, which takes as long again: `npm run typecheck` does that, and .ci/run calls it.
 *
 * Dependency-free but for tsc. Called by setup.mjs and by `npm run build:ts`.
 *
 * Invariant: dist/.built is newer than every source only when all of them compiled.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { isMain, root, run, runMain } from './process.mjs'

/** What tsconfig.json includes, and what changes how it is compiled. */
const SOURCE_FOLDERS = ['native-bindings', 'src', 'daemon', 'test', 'bench', 'scripts']
const SETTINGS = ['tsconfig.json', 'package.json', 'package-lock.json']

/** What is no TypeScript and belongs into dist/ all the same. */
const SCRIPTS = ['src/cli/shim/ip', 'src/cli/shim/tc', 'src/cli/shim/iproute2.sh']

const dist = join(root, 'dist')
const stamp = join(dist, '.built')

export async function buildTypeScript() {
  removeStale()
  if (!isUpToDate()) {
    // Taken before tsc runs: a file saved meanwhile is newer than the stamp, and is compiled the next time.
    const startedAt = new Date()
    console.log('vethd: compiling TypeScript')
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root, '--noCheck'])
    writeFileSync(stamp, '')
    utimesSync(stamp, startedAt, startedAt)
  }
  copyScripts()
  linkCommands()
}

/** A copy is put in the place of the one before at once: a test may be running that. */
function copyScripts() {
  for (const script of SCRIPTS) {
    const target = join(dist, script)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(join(root, script), `${target}.new`)
    chmodSync(`${target}.new`, 0o755)
    renameSync(`${target}.new`, target)
  }
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Deletes compiled files whose source is gone, so that no deleted test runs and no old module is published. */
function removeStale() {
  for (const file of filesUnder(dist)) {
    const source = relative(dist, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (source.endsWith('.ts') && !existsSync(join(root, source))) rmSync(file)
  }
}

function isUpToDate() {
  if (!existsSync(stamp)) return false
  const builtAt = statSync(stamp).mtimeMs
  const sources = SOURCE_FOLDERS.flatMap((folder) => filesUnder(join(root, folder))).filter((file) =>
    file.endsWith('.ts'),
  )
  return [...sources, ...SETTINGS.map((name) => join(root, name))].every((file) => statSync(file).mtimeMs < builtAt)
}

/**
 * Makes `npx vethctl` work inside the clone: npm links the commands of dependencies only, and would otherwise go to
 * the registry for a package of that name.
 */
function linkCommands() {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [name, target] of Object.entries(bin)) {
    const command = join(root, target)
    if (!existsSync(command)) continue
    chmodSync(command, 0o755)
    const link = join(root, 'node_modules/.bin', name)
    rmSync(link, { force: true })
    symlinkSync(relative(join(link, '..'), command), link)
  }
}

if (isMain(import.meta)) {
  await runMain(async () => {
    await buildTypeScript()
    return 0
  })
}
