/**
 * The ABI table: every number of src/abi compared with the kernel's headers as the C compiler sees them
 * (native-bindings/abi.c and abi-names.h). A constant that these headers lack has its value from compat.h, and the test
 * prints it.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { native } from '../../native-bindings/index.js'

const folder = new URL('../../src/abi/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.js'))

/** Every exported number of src/abi, by name, with the file it stands in. */
const exported = new Map<string, { file: string; value: number }>()
for (const file of files) {
  const module: Record<string, unknown> = await import(new URL(file, folder).href)
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'number') continue
    const other = exported.get(name)
    if (other !== undefined) t.fail(`${name} stands in ${other.file} and in ${file}`)
    exported.set(name, { file, value })
  }
}

const { values, missing } = native().abi()
const unseen = new Set(missing)

t.test('every number of src/abi is what the C headers say', async (t) => {
  for (const [name, { file, value }] of exported) {
    if (!unseen.has(name)) t.equal(value, values[name], `${name} of ${file}`)
  }
})

t.test('a constant that the headers lack has the same value in compat.h and in src/abi', async (t) => {
  for (const name of missing) {
    t.comment(`not in the headers of this build: ${name}`)
    t.equal(exported.get(name)?.value, values[name], name)
  }
})

t.test('every entry of abi-names.h is exported by src/abi', async (t) => {
  t.same(
    Object.keys(values).filter((name) => !exported.has(name)),
    [],
  )
})

t.test('errnos have the names and the texts of the C library', async (t) => {
  const { errnoName, errnoText } = await import('../../src/abi/errno.js')
  const errnos = [...exported].filter(([, { file }]) => file === 'errno.js')
  const script = 'import os, sys\nfor n in sys.argv[1:]: print(os.strerror(int(n)))'
  const texts = execFileSync('python3', ['-c', script, ...errnos.map(([, { value }]) => String(value))], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  }).split('\n')
  errnos.forEach(([name, { value }], i) => {
    t.equal(errnoName(value), name)
    t.equal(errnoName(-value), name, `${name}, negated as a system call returns it`)
    t.equal(errnoText(-value), texts[i])
  })
  t.equal(errnoName(-4095), 'E4095', 'a number without a name here')
  t.equal(errnoText(-4095), 'Unknown error 4095')
})
