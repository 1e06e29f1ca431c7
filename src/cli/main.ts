#!/usr/bin/env node
/** vethctl: `ip link` for vethd's pairs, and `stats`, `monitor` and `doctor`. run.ts does it; this gives it the process. */
import { run } from './run.js'

// `vethctl … | head` closes the pipe early: that is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await run(
  process.argv.slice(2),
  (text) => process.stdout.write(text),
  (text) => process.stderr.write(text),
)
