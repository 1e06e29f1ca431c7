/** systemd/vethd.service, as far as it can be judged without a systemd that runs. That READY=1 comes: lifecycle.test.ts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { missing, run } from './harness.js'

const UNIT = join(ROOT, 'systemd/vethd.service')

t.test('systemd finds nothing wrong with the unit', { skip: missing('systemd-analyze') }, async (t) => {
  const { code, stderr } = await run(['systemd-analyze', 'verify', UNIT])
  t.same([code, stderr], [0, ''])
})

t.test('the unit waits for READY=1, and makes the folder of the socket', async (t) => {
  const unit = readFileSync(UNIT, 'utf8')
  t.match(unit, /^Type=notify$/m)
  t.match(unit, /^RuntimeDirectory=vethd$/m)
})
