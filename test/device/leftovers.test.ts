/** The test runner (scripts/test-file.mjs) removes and reports leftovers of a test file, however the file ended. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import t from 'tap'
import { ROOT } from './harness/daemon.js'
import { missing } from './harness/topology.js'

/** A test file that is killed while it has a namespace and a process. */
const LEAVES = `
  import { execFileSync, spawn } from 'node:child_process'
  const name = 'vd' + process.pid + '.left'
  execFileSync('ip', ['netns', 'add', name])
  spawn('sleep', ['60'])
  console.log('TAP version 14\\nok 1 - ' + name)
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100)`

interface Failure {
  fullname: string
  diag: { found: string }
}

t.test('a file that is killed leaves neither a namespace nor a process', { skip: missing('ip') }, async (t) => {
  const { runTestFile } = await import(join(ROOT, 'scripts/test-file.mjs'))
  const folder = mkdtempSync(join(tmpdir(), 'vethd-leftovers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'leaves.mjs')
  writeFileSync(file, LEAVES)
  const report = await runTestFile(relative(join(ROOT, 'dist'), file), 10)
  const failures = Object.fromEntries((report.failures as Failure[]).map(({ fullname, diag }) => [fullname, diag]))
  t.match(failures['no process is left behind'], { found: /sleep 60/ })
  const { found } = failures['no network namespace is left behind']
  t.match(found, /^vd\d+\.left$/)
  t.notOk(existsSync(`/run/netns/${found}`), 'it is gone')
})
