#!/usr/bin/env node
/**
 * What shim/ip runs when words may be vethd's: `as-ip REAL_IP WORD…`, the words being those that ip was called with.
 * `link add … type veth` goes to vethd, and what it refuses is said as ip says it. Everything else is the real ip's.
 *
 * Neighbours: ip-options.ts and link-grammar.ts tell whose the words are, ip-batch.ts does the same line by line.
 */
import { existsSync } from 'node:fs'
import { Client } from '../client/client.js'
import { link } from './commands/link.js'
import { type IpOptions, parseIpOptions } from './ip-options.js'
import { isVethAdd } from './link-grammar.js'
import { parseOptions } from './options.js'
import { exitAs, runProgram } from './programs.js'
import { report } from './report.js'

const [ip, ...words] = process.argv.slice(2)

/** vethctl's words for ip's user: what it advises to type is ip's. */
const err = (text: string) => {
  process.stderr.write(text.replaceAll('try "vethctl ', 'try "ip ').replace(/^Usage: vethctl /, 'Usage: ip '))
}

async function main(): Promise<number> {
  const options = parseIpOptions(words)
  if (options?.batch !== undefined) {
    const { ipBatch } = await import('./ip-batch.js')
    return ipBatch({ ip, words, options, veth: (line) => addVeth(line, options), err })
  }
  if (options === undefined || !isVethAdd(options.rest)) return exitAs(await runProgram([ip, ...words]))
  return addVeth(options.rest, options)
}

/** Runs `link add …` by vethd. Its exit code is ip's. */
async function addVeth([, ...words]: readonly string[], { netns }: IpOptions): Promise<number> {
  const { options } = parseOptions(netns === undefined ? [] : ['-n', netns])
  const client = new Client(seenFromHere(options.socket))
  try {
    return await link(words, { options, client, out: (text) => process.stdout.write(text), err })
  } catch (error) {
    return report(error, err)
  } finally {
    client.close()
  }
}

/** A script may have mounted something over the socket's folder (`unshare -m`): exec itself sees it still. */
function seenFromHere(socket: string): string {
  if (existsSync(socket)) return socket
  const fromExec = `/proc/${process.env.VETHD_EXEC_PID}/root${socket}`
  return existsSync(fromExec) ? fromExec : socket
}

// not process.exitCode: a batch that failed has its stdin open still
process.exit(await main().catch((error) => report(error, err)))
