#!/usr/bin/env node
/**
 * What shim/ip runs when words may be vethd's: `as-ip REAL_IP WORD…`, the words being those that ip was called with.
 * `link add … type veth` goes to vethd, and what it refuses is said as ip says it; so does `link replace`, where it adds.
 * Everything else is the real ip's.
 *
 * Neighbours: iproute2-options.ts and link-keywords.ts tell whose the words are, iproute2-batch.ts does the same line by
 * line; as-tc.ts is the same for tc.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { encodeText } from '../abi/text.js'
import { Client } from '../client/client.js'
import { link } from './commands/link.js'
import { type Iproute2Options, parseIpOptions } from './iproute2-options.js'
import { parseLinkAdd } from './link-grammar.js'
import { isReplace, isVethAdd } from './link-keywords.js'
import { parseOptions } from './options.js'
import { exitAs, runProgram } from './programs.js'
import { report } from './report.js'
import { commandWords } from './words.js'

const [ip, ...words] = commandWords()

/** vethctl's words for ip's user: what it advises to type is ip's. */
const err = (text: string) => {
  process.stderr.write(
    encodeText(text.replaceAll('try "vethctl ', 'try "ip ').replace(/^Usage: vethctl /, 'Usage: ip ')),
  )
}

async function main(): Promise<number> {
  const options = parseIpOptions(words)
  if (options?.batch !== undefined) {
    const { iproute2Batch } = await import('./iproute2-batch.js')
    return iproute2Batch({
      program: ip,
      words,
      options,
      isOurs: isVethAdd,
      obey: (line) => addVeth(line, options),
      err,
    })
  }
  if (options === undefined || !isVethAdd(options.rest)) return exitAs(await runProgram([ip, ...words]))
  return addVeth(options.rest, options)
}

/** Runs `link add …` by vethd. Its exit code is ip's. */
async function addVeth([object, command, ...words]: readonly string[], ipOptions: Iproute2Options): Promise<number> {
  const { netns, others } = ipOptions
  if (isReplace(command) && isThere(words, ipOptions))
    return exitAs(await runProgram([ip, ...others, object, command, ...words])) // what the kernel does to it, or says
  const { options } = parseOptions(netns === undefined ? [] : ['-n', netns])
  const client = new Client(seenFromHere(options.socket))
  try {
    return await link(['add', ...words], { options, client, out: (text) => process.stdout.write(text), err })
  } catch (error) {
    return report(error, err)
  } finally {
    client.close()
  }
}

/** Whether the device that is to be replaced is there. */
function isThere(words: readonly string[], { netns }: Iproute2Options): boolean {
  const { name, netns: into = netns } = parseLinkAdd(words).dev ?? {}
  if (name === undefined) return false
  const where = into === undefined ? [] : ['-n', into]
  return spawnSync(ip, [...where, 'link', 'show', 'dev', name], { stdio: 'ignore' }).status === 0
}

/** A script may have mounted something over the socket's folder (`unshare -m`): exec itself sees it still. */
function seenFromHere(socket: string): string {
  if (existsSync(socket)) return socket
  const fromExec = `/proc/${process.env.VETHD_EXEC_PID}/root${socket}`
  return existsSync(fromExec) ? fromExec : socket
}

// not process.exitCode: a batch that failed has its stdin open still
process.exit(await main().catch((error) => report(error, err)))
