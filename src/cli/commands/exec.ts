/**
 * `vethctl exec [--] COMMAND [ARG…]`: COMMAND with an `ip` before the real one on its PATH that makes veth pairs by vethd,
 * and a `tc` whose root qdiscs are added to their ends as to those of a veth.
 *
 *     COMMAND ─┬→ ip (shim/ip) ─┬─ link add … type veth ─→ as-ip.ts ─→ client ⇢ daemon
 *              │                └─ everything else ──────→ the real ip
 *              └→ tc (shim/tc) ─┬─ qdisc add … root … ───→ as-tc.ts ─→ the real tc, in other words where they are needed
 *                               └─ everything else ──────→ the real tc
 *
 * What the shims have to know travels in environment variables, so that it reaches every process of COMMAND, in whatever
 * network namespace that runs. One `exec` within another takes its place.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { VethdError } from '../../errors.js'
import { exitAs, runProgram } from '../programs.js'
import type { Context } from './context.js'

export const EXEC_USAGE = `Usage: vethctl [ --socket PATH ] exec [ -- ] COMMAND [ ARG... ]

Runs COMMAND with vethd's own ip and tc first on its PATH. That ip gives "ip link add ... type veth" to vethd, and every
other command to the real ip. That tc handles the root qdiscs of vethd's devices like those of a kernel veth.
stdin, stdout, stderr, signals and the exit status are COMMAND's. Exit status 127: not found, 126: not executable.
`

const SHIM_FOLDER = join(import.meta.dirname, '../shim')

/** Runs COMMAND and returns its exit code. When a signal ends it, vethctl ends by the same. */
export async function exec(words: readonly string[], { options, out }: Context): Promise<number> {
  if (words[0] === '-h' || words[0] === '-help' || words[0] === '--help') {
    out(EXEC_USAGE)
    return 0
  }
  if (words[0]?.startsWith('-') && words[0] !== '--') {
    throw new VethdError('ARGUMENT_INVALID', `put options before exec, and "--" before a COMMAND such as "${words[0]}"`)
  }
  const command = words[0] === '--' ? words.slice(1) : words
  if (command.length === 0)
    throw new VethdError('ARGUMENT_INVALID', 'COMMAND is missing: vethctl exec -- COMMAND [ARG...]')
  try {
    return exitAs(await runProgram(command, environment(options.socket)))
  } catch (error) {
    throw notStarted(command[0], error as NodeJS.ErrnoException)
  }
}

function environment(socket: string): NodeJS.ProcessEnv {
  const { PATH = '', VETHD_SHIM, VETHD_IP = '', VETHD_TC = '' } = process.env
  // an exec around this one put its own folder there
  const folders = PATH.split(delimiter).filter((folder) => folder !== VETHD_SHIM && folder !== SHIM_FOLDER)
  const find = (program: string) => folders.map((folder) => join(resolve(folder), program)).find(isProgram)
  return {
    ...process.env,
    PATH: [SHIM_FOLDER, ...folders].join(delimiter),
    VETHD_SHIM: SHIM_FOLDER,
    VETHD_IP: find('ip') ?? VETHD_IP,
    VETHD_TC: find('tc') ?? VETHD_TC,
    VETHD_NODE: process.execPath,
    VETHD_SOCKET: resolve(socket),
    VETHD_EXEC_PID: String(process.pid),
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** 127 and 126, as the shell and env(1) end. */
function notStarted(command: string, cause: NodeJS.ErrnoException): VethdError {
  if (cause.syscall?.startsWith('spawn') !== true) return cause as unknown as VethdError
  const { errno, syscall } = cause
  const [exit, why] =
    cause.code === 'ENOENT'
      ? [127, 'not found']
      : [126, cause.code === 'EACCES' ? 'not executable' : `cannot be run: ${cause.code}`]
  return new VethdError('ARGUMENT_INVALID', `${command}: ${why}`, { exit, errno, syscall, cause })
}
