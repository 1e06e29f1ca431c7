/**
 * `npm run bench -- OPTIONS`: installs the tools of the benchmarks, builds, and runs bench/main.ts.
 *
 * Neighbour: setup.mjs, which runs first.
 */
import { join } from 'node:path'
import { root, run, runMain, StepFailed } from './process.mjs'
import { setUp } from './setup.mjs'

await runMain(async () => {
  if (process.getuid() !== 0) throw new StepFailed('making network devices takes root: run "sudo npm run bench"')
  await setUp('bench')
  await run(process.execPath, [join(root, 'dist/bench/main.js'), ...process.argv.slice(2)])
  return 0
})
