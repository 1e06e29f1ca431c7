/**
 * The probe that chooses an engine: it takes io_uring if all of it works, and otherwise names what is missing.
 *
 * A separate process simulates a machine on which something is missing: a seccomp filter forbids io_uring, or the limit
 * of open files is lower than the engine's table of files needs.
 */
import { join } from 'node:path'
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { chooseEngine, type EngineReport } from '../../src/io/index.js'
import { ROOT } from './harness/daemon.js'
import { must } from './harness/processes.js'
import { missing } from './harness/topology.js'

const skip = missing('python3')
const FORBID = ['python3', join(ROOT, 'test/device/harness/forbid.py'), 'io_uring_setup']
const FEW_FILES = ['sh', '-c', 'ulimit -n 1024; exec "$@"', 'sh']

const url = (path: string): string => JSON.stringify(new URL(`../../${path}`, import.meta.url).href)
const PROGRAM = `
  import { native } from ${url('native-bindings/index.js')}
  import { chooseEngine } from ${url('src/io/index.js')}
  const nursery = native().netnsCreate()
  const answers = ['auto', 'poll', 'uring'].map((asked) => {
    try {
      return chooseEngine(asked, nursery)
    } catch ({ code, message }) {
      return { code, message }
    }
  })
  console.log(JSON.stringify(answers))`

type Answers = [auto: EngineReport, poll: EngineReport, uring: { code: string; message: string }]

async function answersUnder(launcher: string[]): Promise<Answers> {
  return JSON.parse(await must([...launcher, process.execPath, '--input-type=module', '-e', PROGRAM]))
}

t.test('here io_uring has everything, and each engine can be asked for', { skip }, async (t) => {
  const nursery = native().netnsCreate()
  t.teardown(() => native().close(nursery))
  t.match(chooseEngine('auto', nursery), { name: 'uring', asked: 'auto', missing: [] })
  t.match(chooseEngine('uring', nursery), { name: 'uring', reason: 'asked for', missing: [] })
  t.match(chooseEngine('poll', nursery), { name: 'poll', reason: 'asked for', missing: [] })
})

for (const [what, launcher, why] of [
  ['where io_uring is forbidden', FORBID, /io_uring_setup: EPERM, forbidden here/],
  ['where too few files may be open', FEW_FILES, /EMFILE, fewer than 8192 files may be open/],
] as const)
  t.test(`${what} the poll engine is taken, and io_uring refused with the reason`, { skip }, async (t) => {
    const [auto, poll, uring] = await answersUnder([...launcher])
    t.match(auto, { name: 'poll', asked: 'auto', reason: why, missing: [why] })
    t.match(poll, { name: 'poll', reason: 'asked for', missing: [why] })
    t.match(uring, { code: 'ENGINE_UNAVAILABLE', message: why })
  })
