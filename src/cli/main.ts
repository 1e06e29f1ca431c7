#!/usr/bin/env node
/** vethctl: `ip link` for vethd's pairs, and `stats`, `monitor`, `doctor`, `ping` and `exec`. run.ts does it; this gives it the process. */
import { encodeText } from '../abi/text.js'
import { run } from './run.js'
import { commandWords } from './words.js'

// `vethctl … | head` closes the pipe early: that is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await run(
  commandWords(),
  (text) => process.stdout.write(encodeText(text)),
  (text) => process.stderr.write(encodeText(text)),
)
