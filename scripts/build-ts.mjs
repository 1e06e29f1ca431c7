/**
 * Compiles TypeScript into dist/, copies the shell scripts, makes the commands executable, and removes output whose source
 * is gone. Types are not checked here, which takes as long again: `npm run typecheck` does that, and .ci/run calls it.
 *
 * Its only dependency is tsc. Called by setup.mjs and by `npm run build:ts`.
 *
 * Invariant: dist/.built is newer than every source only if all of them compiled.
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

/** The sources that tsconfig.json includes, and the files that affect the compilation. */
const SOURCE_FOLDERS = ['native-bindings', 'src', 'daemon', 'test', 'bench', 'scripts']
const SETTINGS = ['tsconfig.json', 'package.json', 'package-lock.json']

/** Files in dist/ that are not compiled from TypeScript. */
const SCRIPTS = ['src/cli/shim/ip', 'src/cli/shim/tc', 'src/cli/shim/iproute2.sh']

const dist = join(root, 'dist')
const stamp = join(dist, '.built')

export async function buildTypeScript() {
  removeStale()
  if (!isUpToDate()) {
    // The time stamp is taken before tsc runs, so that a file saved meanwhile is newer and is compiled the next time.
    const startedAt = new Date()
    console.log('vethd: compiling TypeScript')
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root, '--noCheck'])
    writeFileSync(stamp, '')
    utimesSync(stamp, startedAt, startedAt)
  }
  copyScripts()
  linkCommands()
}

/** Replaces an old copy atomically, because a test may be running it. */
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

/** Deletes compiled files without a source, so that no deleted test runs and no old module is published. */
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
 * Makes `npx vethctl` work inside the clone. npm links only the commands of dependencies, and would otherwise look for
 * a package of that name in the registry.
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
