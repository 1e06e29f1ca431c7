#!/usr/bin/env node
/** vethctl: `ip link` for vethd's pairs, and `stats`, `monitor`, `doctor`, `ping` and `exec`. Connects run.ts with the process. */
import { encodeText } from '../abi/text.js'
import { run } from './run.js'
import { commandWords } from './words.js'

// `vethctl … | head` closes the pipe early, which is not an error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await run(
  commandWords(),
  (text) => process.stdout.write(encodeText(text)),
  (text) => process.stderr.write(encodeText(text)),
)
