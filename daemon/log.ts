/**
 * The daemon's log: JSON lines on stdout. They are written synchronously, not by a worker thread, so that the last line of a
 * dying daemon is not lost. On a terminal they are readable text. In the journal each begins with journald's level, `<6>`.
 */
import { fstatSync } from 'node:fs'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { LogLevel } from './config.js'

export type Log = Logger

/** syslog(3) priorities by pino's levels. */
const PRIORITIES: Record<number, number> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 }
const PRIORITY_INFO = 6

export async function openLog(level: LogLevel): Promise<Log> {
  return pino({ level, base: undefined }, await openDestination())
}

async function openDestination(): Promise<DestinationStream> {
  if (process.stdout.isTTY) {
    const { default: pretty } = await import('pino-pretty')
    return pretty({ sync: true })
  }
  const stdout = withEscapes(destination({ fd: 1, sync: true }))
  return isJournal(process.env.JOURNAL_STREAM) ? withPriorities(stdout) : stdout
}

/** Escapes the bytes of a name that are not UTF-8 (src/abi/text.ts), which pino does not do. */
export function withEscapes(stdout: DestinationStream): DestinationStream {
  const escaped = (raw: string) => `\\u${raw.charCodeAt(0).toString(16)}`
  return { write: (line) => stdout.write(line.replace(/[\udc80-\udcff]/gu, escaped)) }
}

/** Whether stdout is the stream that $JOURNAL_STREAM describes, DEVICE:INODE (systemd.exec(5)). */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(1)
  return stream === `${dev}:${ino}`
}

/** sd-daemon(3): a line that begins with `<N>` has that priority. */
export function withPriorities(stdout: DestinationStream): DestinationStream {
  return {
    write(line: string) {
      const level = Number(/^\{"level":(\d+)/.exec(line)?.[1])
      stdout.write(`<${PRIORITIES[level] ?? PRIORITY_INFO}>${line}`)
    },
  }
}
