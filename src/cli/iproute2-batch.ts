/**
 * `ip -batch FILE` and `tc -batch FILE` with some lines for vethd: do_batch() of lib/utils.c. Lines are carried out in order:
 * vethd's own by vethd, and each run of other lines by one `ip -batch -`, which gets them as they arrive.
 *
 *     1  link add a type veth        vethd
 *     2  link set a up             ┐ ip -batch -   (one empty line first, so that its line numbers are the file's)
 *     3  address add … dev a       ┘
 *     4  link add b type veth        vethd, after this ip has ended
 *
 * A line for vethd may turn out to be one for the program, perhaps with other words. Then it starts the next run.
 *
 * Neighbours: as-ip.ts, as-tc.ts, batch.ts (how lines and words are read).
 * Invariant: a run starts after the line of vethd before it is done, and ends before the line of vethd after it starts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeText, encodeText } from '../abi/text.js'
import { LineJoiner, linesOf, splitWords } from './batch.js'
import type { Iproute2Options } from './iproute2-options.js'
import { type Ending, endingOf, exitAs, runProgram } from './programs.js'

export interface BatchCall {
  /** The real ip or tc, and the words of its command line. */
  program: string
  words: readonly string[]
  options: Iproute2Options
  /** Whether the words of a line go to `obey`. */
  isOurs(words: readonly string[]): boolean
  /** Carries out a line after all lines before it: returns the program's exit code for it, or the words for the program. */
  obey(words: readonly string[]): Promise<number | readonly string[]>
  err(text: string): void
}

/** A line with the program's line number; `ours` are its words if it is for vethd. */
interface Line {
  raw: string
  first: number
  last: number
  isBlank?: boolean
  ours?: string[]
}

/** Time limit for the rest of stderr after the program has ended, because a child of the program can hold stderr open. */
const STDERR_AFTER_END_MS = 100

/** Runs the batch and returns the program's exit code for it. */
export async function iproute2Batch(call: BatchCall): Promise<number> {
  const { program, words, options, isOurs, obey, err } = call
  const file = options.batch!
  const whole = file === '-' ? undefined : linesOfFile(file, isOurs)
  if (whole === 'unchanged') return exitAs(await runProgram([program, ...words]))

  let failed = false
  let run: Run | undefined
  const feed = async (raw: string, first: number) => {
    run ??= new Run([program, ...options.others], file, first, err)
    await run.feed(raw)
  }
  /** Ends the run of lines before one of ours. Returns the exit code when the batch ends here. */
  const endRun = async (): Promise<number | undefined> => {
    const ending = await run?.end()
    run = undefined
    if (ending === undefined || ending.code === 0) return undefined
    failed = true
    // 1: a line failed, and with -force the program continued; any other code means that the program itself ended
    return ending.code === 1 && options.force ? undefined : exitAs(ending)
  }

  const lines = whole?.values() ?? linesOfStdin(isOurs)
  for (;;) {
    const next = await Promise.race([lines.next(), run?.ended ?? new Promise<never>(() => {})])
    // the program ends at a failed line, although there may be more lines
    if ('signal' in next || next.done) break
    const line = next.value
    if (line.isBlank && run === undefined) continue
    if (line.ours === undefined) {
      await feed(line.raw, line.first)
      continue
    }
    const code = (await endRun()) ?? (await obeyLine(line.ours, line.last))
    if (code !== undefined) return code
  }
  return (await endRun()) ?? (failed ? 1 : 0)

  /** Carries out a line for vethd. Returns the exit code if the batch ends here. */
  async function obeyLine(words: readonly string[], number: number): Promise<number | undefined> {
    const answer = await obey(words)
    if (typeof answer !== 'number') return void (await feed(lineOf(answer), number))
    if (answer === 0) return undefined
    // at a wrong argument ip prints no more, and stops
    if (answer === 255) return answer
    failed = true
    err(`Command failed ${file}:${number}\n`)
    return options.force ? undefined : 1
  }
}

/** An `ip -batch -` that gets one line after the other, and numbers them from `first` on. */
class Run {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly ended: Promise<Ending>

  constructor([program, ...options]: readonly string[], file: string, first: number, err: (text: string) => void) {
    // stderr is piped only if the file's name must be inserted
    const stderr = file === '-' ? 'inherit' : 'pipe'
    this.#child = spawn(program, [...options, '-batch', '-'], { stdio: ['pipe', 'inherit', stderr] })
    this.ended = endingOf(this.#child)
    this.#closed = once(this.#child, 'close')
    this.#child.stdin!.on('error', () => {}) // EPIPE: the program has ended; its exit code tells why
    this.#child.stdin!.write('\n'.repeat(first - 1))
    if (this.#child.stderr) nameFile(this.#child.stderr, file, err)
  }

  /** Writes a line; resolves when the program can take another one, or has ended. */
  async feed(raw: string): Promise<void> {
    if (this.#child.stdin!.write(encodeText(raw))) return
    await Promise.race([once(this.#child.stdin!, 'drain').catch(() => {}), this.ended])
  }

  /** Ends the run, and waits until all its lines are carried out. */
  async end(): Promise<Ending> {
    this.#child.stdin!.end()
    const ending = await this.ended
    await Promise.race([this.#closed, sleep(STDERR_AFTER_END_MS, undefined, { ref: false })])
    return ending
  }
}

/** `Command failed -:7` as `Command failed FILE:7`. */
function nameFile(stderr: NodeJS.ReadableStream, file: string, err: (text: string) => void): void {
  let rest = ''
  const named = (text: string) => text.replace(/^Command failed -:(?=\d+$)/gm, () => `Command failed ${file}:`)
  stderr.setEncoding('latin1')
  stderr.on('data', (text: string) => {
    const lines = rest + text
    const end = lines.lastIndexOf('\n') + 1
    rest = lines.slice(end)
    if (end > 0) err(named(fromLatin1(lines.slice(0, end))))
  })
  stderr.on('end', () => rest !== '' && err(fromLatin1(rest)))
}

type IsOurs = BatchCall['isOurs']

/** The lines of a file. A file without lines for vethd, or an unreadable one, goes to the program as a whole. */
function linesOfFile(file: string, isOurs: IsOurs): Line[] | 'unchanged' {
  let lines: Line[]
  try {
    lines = new LineReader(isOurs).read(linesOf(decodeText(readFileSync(file))), true)
  } catch {
    return 'unchanged'
  }
  // a pipe cannot be read twice
  return lines.every((line) => line.ours === undefined) && statSync(file).isFile() ? 'unchanged' : lines
}

/** Yields each line of stdin when it arrives. */
async function* linesOfStdin(isOurs: IsOurs): AsyncGenerator<Line> {
  const reader = new LineReader(isOurs)
  let rest = ''
  for await (const chunk of process.stdin.setEncoding('latin1')) {
    const text = rest + chunk
    const end = text.lastIndexOf('\n') + 1
    rest = text.slice(end)
    yield* reader.read(linesOf(fromLatin1(text.slice(0, end))), false)
  }
  yield* reader.read(linesOf(fromLatin1(rest)), true)
}

/** Splits a stream into lines. It is read as Latin-1, so that no chunk ends inside a character. */
function fromLatin1(lines: string): string {
  return decodeText(Buffer.from(lines, 'latin1'))
}

class LineReader {
  readonly #joiner = new LineJoiner()
  readonly #isOurs: IsOurs
  #first = 1

  constructor(isOurs: IsOurs) {
    this.#isOurs = isOurs
  }

  /** The command lines that `lines` complete; at the end, the rest. */
  read(lines: readonly string[], isEnd: boolean): Line[] {
    const complete: Line[] = []
    for (const line of lines) {
      const joined = this.#joiner.add(line)
      if (joined === undefined) continue
      const isBlank = joined.text.trim() === ''
      complete.push({
        raw: joined.raw,
        first: this.#first,
        last: joined.number,
        isBlank,
        ours: this.#oursIn(joined.text),
      })
      this.#first = joined.number + 1
    }
    // a line without its continuation: the program reports it
    if (isEnd && this.#joiner.waiting !== '') {
      complete.push({ raw: this.#joiner.waiting, first: this.#first, last: this.#first })
    }
    return complete
  }

  /** The words of a line for vethd. Lines that cannot be parsed go to the program, which reports why. */
  #oursIn(text: string): string[] | undefined {
    try {
      const words = splitWords(text)
      return this.#isOurs(words) ? words : undefined
    } catch {
      return undefined
    }
  }
}

/** Words that came from a line, as a line again. A word with quotes of both kinds did not begin with one. */
function lineOf(words: readonly string[]): string {
  const quoted = words.map((word) => {
    const quote = ['"', "'"].find((mark) => !word.includes(mark)) ?? ''
    return quote + word + quote
  })
  return `${quoted.join(' ')}\n`
}
