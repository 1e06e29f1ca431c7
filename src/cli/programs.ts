/**
 * Programs that vethctl runs in its own place: the COMMAND of `exec`, and the real ip. A program has vethctl's stdin, stdout and
 * stderr, gets the signals sent to vethctl, and sets vethctl's exit status.
 *
 * Node cannot replace itself by a program (execve), so vethctl stays as its parent process and forwards signals.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'

/** Signals to forward to the program. All others stop both processes or neither, or cannot be caught. */
const PASSED_ON = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const
/** A terminal sends these to every process of the foreground job, so the program has already got them. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT']

/** How a program ended: by itself, or by a signal. */
export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

/** Runs a program to its end. Rejects with the error of spawn(2) when it cannot be started. */
export async function runProgram(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ending> {
  let child: ChildProcess | undefined
  const passOn = (signal: NodeJS.Signals) => {
    if (FROM_TERMINAL.includes(signal) && isForegroundJob()) return
    child?.kill(signal)
  }
  // installed before the start: otherwise a signal in between would end only vethctl
  for (const signal of PASSED_ON) process.on(signal, passOn)
  try {
    child = spawn(argv[0], argv.slice(1), { env, stdio: inheritedFiles() })
    return await endingOf(child)
  } finally {
    for (const signal of PASSED_ON) process.off(signal, passOn)
  }
}

/** The end of a child process; rejects when it could not be started. */
export function endingOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** The exit code of a program. If a signal ended the program, this process ends by the same signal. */
export function exitAs({ code, signal }: Ending): number {
  if (signal === null) return code ?? 1
  // Node ignores some signals (SIGPIPE); adding and removing a handler restores the default action
  const handler = () => {}
  if (signal !== 'SIGKILL' && signal !== 'SIGSTOP') process.on(signal, handler).off(signal, handler)
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}

/** Whether this process is in the foreground job of its terminal (proc(5): pgrp and tpgid of stat). */
function isForegroundJob(): boolean {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const [, , pgrp, , , tpgid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return pgrp === tpgid
}

/**
 * The files that vethctl was started with, for spawn: by default Node closes all but the first three in a child. Node's own
 * files are recognized by their kind: anonymous inodes, and pipes of which this process has both ends.
 */
function inheritedFiles(): SpawnOptions['stdio'] {
  const files: (number | 'ignore')[] = [0, 1, 2]
  const opened = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [{ fd: Number(name), target: readlinkSync(`/proc/self/fd/${name}`) }]
    } catch {
      return [] // the descriptor that read the folder; it is closed now
    }
  })
  for (const { fd, target } of opened) {
    if (fd < 3 || target.startsWith('anon_inode:')) continue
    if (
      target.startsWith('pipe:') &&
      opened.some((other) => other.fd !== fd && other.fd > 2 && other.target === target)
    )
      continue
    while (files.length < fd) files.push('ignore')
    files[fd] = fd
  }
  return files
}
