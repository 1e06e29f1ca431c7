/**
 * The package as its users get it: packed, unpacked into a folder of its own, beside nothing but its dependencies. Its addon
 * can be built there, its absence is said by name, and its types are whole.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../../..')
/** Where an ELF file says for which machine it is (e_machine), and two of those. */
const ELF_MACHINE = 18
const [EM_X86_64, EM_AARCH64] = [62, 183]

const consumer = mkdtempSync(join(tmpdir(), 'vethd-package-'))
t.teardown(() => rmSync(consumer, { recursive: true }))
const installed = join(consumer, 'node_modules/vethd')
const addon = join(installed, 'native-bindings/build/Release/vethd.node')

execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', consumer], { cwd: ROOT })
const { name, version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
mkdirSync(installed, { recursive: true })
execFileSync('tar', ['-xzf', join(consumer, `${name}-${version}.tgz`), '-C', installed, '--strip-components=1'])
for (const dependency of Object.keys(dependencies)) {
  const link = join(consumer, 'node_modules', dependency)
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules', dependency), link)
}
writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }')

/** What openPair and Tap say, with their error's code. */
function say(): string {
  const program = `
    import { openPair, Tap } from 'vethd'
    await openPair().catch((error) => console.log(error.code, error.message))
    try { new Tap('tap0') } catch (error) { console.log(error.code, error.message) }`
  const node = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: consumer, encoding: 'utf8' })
  return node.stdout + node.stderr
}

t.test('an addon that is missing, or of another architecture, is said by name, with what to do', async (t) => {
  const remedy = `run "npm run build:native" in ${installed} (it needs gcc and libc6-dev)`
  const built = readFileSync(addon)
  built[ELF_MACHINE] = built[ELF_MACHINE] === EM_X86_64 ? EM_AARCH64 : EM_X86_64
  writeFileSync(addon, built)
  const foreign = `ADDON_MISSING the native addon cannot be loaded, as one of another architecture: ${remedy}. `
  const said = say().trimEnd().split('\n')
  t.ok(said.length === 2 && said.every((line) => line.startsWith(foreign)), said.join('\n'))
  rmSync(addon)
  t.equal(say(), `ADDON_MISSING the native addon is not built: ${remedy}\n`.repeat(2))
  writeFileSync(addon, built)
})

t.test('npm run build:native builds what can be loaded in its place, and nothing a second time', async (t) => {
  const build = () => execFileSync('npm', ['run', '--silent', 'build:native'], { cwd: installed, encoding: 'utf8' })
  t.match(build(), `build-native: built ${addon} with `)
  execFileSync(process.execPath, ['-e', `require(${JSON.stringify(addon)})`])
  t.equal(build(), '')
})

t.test('what its types refer to comes with it', async (t) => {
  const source = join(consumer, 'consumer.ts')
  writeFileSync(source, "import * as vethd from 'vethd'\nexport const make: typeof vethd.openPair = vethd.openPair\n")
  const typeRoots = [join(consumer, 'node_modules/@types')]
  const options = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    noEmit: true,
    typeRoots,
  }
  const program = ts.createProgram([source], options)
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(consumer))
  t.ok(ours.length > 10, 'its declarations are read')
  const wrong = ours.flatMap((file) => program.getSemanticDiagnostics(file))
  t.same(
    wrong.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`),
    [],
  )
})
