#!/usr/bin/env node
/**
 * What shim/tc runs when words may be for the root qdisc of an end: `as-tc REAL_TC WORD…`, the words being those that tc
 * was called with. The real tc obeys them, in the words that tc-qdisc.ts finds.
 *
 * Neighbours: iproute2-options.ts reads the options, iproute2-batch.ts does the same line by line; as-ip.ts is the same for ip.
 */
import { spawnSync } from 'node:child_process'
import { type Iproute2Options, parseTcOptions } from './iproute2-options.js'
import { exitAs, runProgram } from './programs.js'
import { report } from './report.js'
import { asOnVeth, isForRoot, NOTHING_TO_DELETE, type RootQdisc } from './tc-qdisc.js'

const [tc, ...words] = process.argv.slice(2)

const err = (text: string) => void process.stderr.write(text)

async function main(): Promise<number> {
  const options = parseTcOptions(words)
  if (options?.batch !== undefined) {
    const { iproute2Batch } = await import('./iproute2-batch.js')
    return iproute2Batch({ program: tc, words, options, isOurs: isForRoot, obey: (line) => obey(line, options), err })
  }
  if (options === undefined || !isForRoot(options.rest)) return exitAs(await runProgram([tc, ...words]))
  const answer = await obey(options.rest, options)
  return typeof answer === 'number' ? answer : exitAs(await runProgram([tc, ...options.others, ...answer]))
}

/** Obeys a command for a root qdisc: its exit code, or the words that the real tc has to obey. */
async function obey(command: readonly string[], options: Iproute2Options): Promise<number | readonly string[]> {
  const answer = asOnVeth(command, (device) => rootOf(device, options))
  if (answer !== NOTHING_TO_DELETE) return answer
  err(`${answer}\n`)
  return 2
}

/** The root qdisc of a device, as the kernel has it now. */
function rootOf(device: string, { netns }: Iproute2Options): RootQdisc | undefined {
  const where = netns === undefined ? [] : ['-n', netns]
  const { stdout } = spawnSync(tc, [...where, 'qdisc', 'show', 'dev', device, 'root'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [, kind, handle] = /^qdisc (\S+) ([0-9a-f]+:) root /.exec(stdout) ?? []
  return kind === undefined ? undefined : { kind, handle }
}

// not process.exitCode: a batch that failed has its stdin open still
process.exit(await main().catch((error) => report(error, err)))
