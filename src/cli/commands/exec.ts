/**
 * `vethctl exec [--] COMMAND [ARG…]`: runs COMMAND with an `ip` first on its PATH that creates veth pairs by vethd, and with a
 * `tc` that handles the root qdiscs of their ends like those of a veth.
 *
 *     COMMAND ─┬→ ip (shim/ip) ─┬─ link add … type veth ─→ as-ip.ts ─→ client ⇢ daemon
 *              │                └─ everything else ──────→ the real ip
 *              └→ tc (shim/tc) ─┬─ qdisc add … root … ───→ as-tc.ts ─→ the real tc, with translated words if needed
 *                               └─ everything else ──────→ the real tc
 *
 * The shims get their settings from environment variables, which reach every process of COMMAND in any network namespace. An
 * `exec` inside another `exec` replaces its settings.
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
  // an outer exec has put its own folder there
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

/** Exit codes 127 and 126, as in the shell and env(1). */
function notStarted(command: string, cause: NodeJS.ErrnoException): VethdError {
  if (cause.syscall?.startsWith('spawn') !== true) return cause as unknown as VethdError
  const { errno, syscall } = cause
  const [exit, why] =
    cause.code === 'ENOENT'
      ? [127, 'not found']
      : [126, cause.code === 'EACCES' ? 'not executable' : `cannot be run: ${cause.code}`]
  return new VethdError('ARGUMENT_INVALID', `${command}: ${why}`, { exit, errno, syscall, cause })
}
