/**
 * `ip -batch FILE` and `tc -batch FILE` with lines of ours among the others: do_batch() of lib/utils.c, whose lines are
 * obeyed in order, ours by vethd and each run of others by one `ip -batch -`, fed as they come.
 *
 *     1  link add a type veth        vethd
 *     2  link set a up             ┐ ip -batch -   (one empty line first, so that it counts as the file does)
 *     3  address add … dev a       ┘
 *     4  link add b type veth        vethd, after that ip has ended
 *
 * A line of ours may also turn out to be the program's, in other words maybe: then it begins the next run.
 *
 * Neighbours: as-ip.ts, as-tc.ts, batch.ts (how lines and words are read).
 * Invariant: of the lines of a run none is obeyed before the line of ours above it is done, and none after the one below.
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
  /** The real ip or tc, and the words that it was called with. */
  program: string
  words: readonly string[]
  options: Iproute2Options
  /** Whether the words of a line go to `obey`. */
  isOurs(words: readonly string[]): boolean
  /** Obeys a line when those above it are done: the program's exit code for it, or the words that the program obeys. */
  obey(words: readonly string[]): Promise<number | readonly string[]>
  err(text: string): void
}

/** A line as the program counts it; `ours` are its words when it is one. */
interface Line {
  raw: string
  first: number
  last: number
  isBlank?: boolean
  ours?: string[]
}

/** How long the rest of what a program that has ended wrote on stderr may take, when a child of its holds stderr open. */
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
    // 1: a line failed, and the program has gone on if it was to; everything else is an end of the program itself
    return ending.code === 1 && options.force ? undefined : exitAs(ending)
  }

  const lines = whole?.values() ?? linesOfStdin(isOurs)
  for (;;) {
    const next = await Promise.race([lines.next(), run?.ended ?? new Promise<never>(() => {})])
    // the program ends while there may be more lines when one of them has failed
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

  /** Obeys a line of ours. Returns the exit code when the batch ends here. */
  async function obeyLine(words: readonly string[], number: number): Promise<number | undefined> {
    const answer = await obey(words)
    if (typeof answer !== 'number') return void (await feed(lineOf(answer), number))
    if (answer === 0) return undefined
    // where ip ends at a wrong argument, it says no more and does not go on
    if (answer === 255) return answer
    failed = true
    err(`Command failed ${file}:${number}\n`)
    return options.force ? undefined : 1
  }
}

/** An `ip -batch -` that obeys lines as they are fed to it, and numbers them from `first` on. */
class Run {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly ended: Promise<Ending>

  constructor([program, ...options]: readonly string[], file: string, first: number, err: (text: string) => void) {
    // stderr goes by way of us only where the file's name has to be put in it
    const stderr = file === '-' ? 'inherit' : 'pipe'
    this.#child = spawn(program, [...options, '-batch', '-'], { stdio: ['pipe', 'inherit', stderr] })
    this.ended = endingOf(this.#child)
    this.#closed = once(this.#child, 'close')
    this.#child.stdin!.on('error', () => {}) // EPIPE: it has ended, and its exit code tells why
    this.#child.stdin!.write('\n'.repeat(first - 1))
    if (this.#child.stderr) nameFile(this.#child.stderr, file, err)
  }

  /** Writes a line; resolves when the program has room for another one, or has ended. */
  async feed(raw: string): Promise<void> {
    if (this.#child.stdin!.write(encodeText(raw))) return
    await Promise.race([once(this.#child.stdin!, 'drain').catch(() => {}), this.ended])
  }

  /** Ends the run and waits until all of it has been obeyed. */
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

/** The lines of a file, where they have to be told apart; one without lines of ours, or unreadable, is the program's. */
function linesOfFile(file: string, isOurs: IsOurs): Line[] | 'unchanged' {
  let lines: Line[]
  try {
    lines = new LineReader(isOurs).read(linesOf(decodeText(readFileSync(file))), true)
  } catch {
    return 'unchanged'
  }
  // what came out of a pipe cannot be read again
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

/** Whole lines of a stream that is read as Latin-1, in which no chunk ends within a character. */
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

  /** The lines that `lines` complete; at the end, what is left. */
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
    // a line whose continuation is missing: the program says so
    if (isEnd && this.#joiner.waiting !== '') {
      complete.push({ raw: this.#joiner.waiting, first: this.#first, last: this.#first })
    }
    return complete
  }

  /** The words of a line of ours; what cannot be read is left to the program, which says why. */
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
