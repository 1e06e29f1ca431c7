/**
 * Programs that vethctl runs in its own place: the COMMAND of `exec`, and the real ip. They have its stdin, stdout and
 * stderr, the signals it is sent, and its exit status is theirs.
 *
 * Node cannot replace itself by a program (execve), so it stays beside it and passes everything on.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'

/** What is sent to vethctl and meant for the program. The others stop both or neither, or cannot be caught. */
const PASSED_ON = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const
/** A terminal sends these to every process of the foreground job: the program has had them already. */
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
  // before the start: a signal in between would end vethctl alone
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

/** The exit code for an ending. A program that a signal ended takes this process with it by the same signal. */
export function exitAs({ code, signal }: Ending): number {
  if (signal === null) return code ?? 1
  // Node ignores some signals (SIGPIPE); a handler that comes and goes leaves the default behind
  const handler = () => {}
  if (signal !== 'SIGKILL' && signal !== 'SIGSTOP') process.on(signal, handler).off(signal, handler)
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}

/** Whether this process is of the job that its terminal's keys go to (proc(5): pgrp and tpgid of stat). */
function isForegroundJob(): boolean {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const [, , pgrp, , , tpgid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return pgrp === tpgid
}

/**
 * The files that vethctl was started with, as spawn takes them: Node closes all but the first three in a child. Its own
 * are told by what they are: anonymous inodes, and pipes that this process holds by both ends.
 */
function inheritedFiles(): SpawnOptions['stdio'] {
  const files: (number | 'ignore')[] = [0, 1, 2]
  const opened = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [{ fd: Number(name), target: readlinkSync(`/proc/self/fd/${name}`) }]
    } catch {
      return [] // the folder's own, closed by now
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
