#!/usr/bin/env node
/**
 * shim/tc runs this if a command may be about the root qdisc of an end: `as-tc REAL_TC WORD…`, with the words of tc's command
 * line. The real tc carries it out, with the words that tc-qdisc.ts returns.
 *
 * Neighbours: iproute2-options.ts parses the options, iproute2-batch.ts works line by line; as-ip.ts is the counterpart for ip.
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

/** Handles a command for a root qdisc: returns its exit code, or the words for the real tc. */
async function obey(command: readonly string[], options: Iproute2Options): Promise<number | readonly string[]> {
  const answer = asOnVeth(command, (device) => rootOf(device, options))
  if (answer !== NOTHING_TO_DELETE) return answer
  err(`${answer}\n`)
  return 2
}

/** The current root qdisc of a device. */
function rootOf(device: string, { netns }: Iproute2Options): RootQdisc | undefined {
  const where = netns === undefined ? [] : ['-n', netns]
  const { stdout } = spawnSync(tc, [...where, 'qdisc', 'show', 'dev', device, 'root'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [, kind, handle] = /^qdisc (\S+) ([0-9a-f]+:) root /.exec(stdout) ?? []
  return kind === undefined ? undefined : { kind, handle }
}

// not process.exitCode: after a failed batch the open stdin would keep the process alive
process.exit(await main().catch((error) => report(error, err)))
