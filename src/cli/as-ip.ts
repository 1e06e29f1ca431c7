#!/usr/bin/env node
/**
 * shim/ip runs this if a command may be vethd's: `as-ip REAL_IP WORD…`, with the words of ip's command line. `link add … type
 * veth` goes to vethd, and so does `link replace` if the device does not exist. Errors have ip's texts. The real ip gets every
 * other command.
 *
 * Neighbours: iproute2-options.ts and link-keywords.ts decide who gets a command, iproute2-batch.ts does so line by line;
 * as-tc.ts is the counterpart for tc.
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

/** Rewrites vethctl's messages for users of ip: the commands that they suggest become ip's. */
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

/** Runs `link add …` by vethd. Returns ip's exit code. */
async function addVeth([object, command, ...words]: readonly string[], ipOptions: Iproute2Options): Promise<number> {
  const { netns, others } = ipOptions
  if (isReplace(command) && isThere(words, ipOptions))
    return exitAs(await runProgram([ip, ...others, object, command, ...words])) // an existing device is the kernel's
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

/** Whether the device to replace exists. */
function isThere(words: readonly string[], { netns }: Iproute2Options): boolean {
  const { name, netns: into = netns } = parseLinkAdd(words).dev ?? {}
  if (name === undefined) return false
  const where = into === undefined ? [] : ['-n', into]
  return spawnSync(ip, [...where, 'link', 'show', 'dev', name], { stdio: 'ignore' }).status === 0
}

/** A script may have mounted over the socket's folder (`unshare -m`); the process of exec still sees the socket. */
function seenFromHere(socket: string): string {
  if (existsSync(socket)) return socket
  const fromExec = `/proc/${process.env.VETHD_EXEC_PID}/root${socket}`
  return existsSync(fromExec) ? fromExec : socket
}

// not process.exitCode: after a failed batch the open stdin would keep the process alive
process.exit(await main().catch((error) => report(error, err)))
