/**
 * `vethctl -batch FILE`: one command a line, as lib/utils.c (getcmdline, makeargs, do_batch) reads them. `#` starts a
 * comment, a backslash at the end of a line joins the next one, a word that begins with a quote ends with it.
 *
 * Neighbours: main.ts runs the commands. Consecutive `link del` lines go to the daemon as one request, because closing TAPs one
 * by one costs 18 ms each. Effects, output and errors are the same as line by line.
 */
import { readFileSync } from 'node:fs'
import { decodeText } from '../abi/text.js'
import { removedOf } from '../client/client.js'
import { VethdError } from '../errors.js'
import type { Context } from './commands/context.js'
import { isDelete } from './commands/link.js'
import { matches } from './keywords.js'
import { parseLinkDel } from './link-grammar.js'
import { report } from './report.js'

/** One command: its words, and the number of its last line. */
export interface BatchLine {
  words: string[]
  number: number
}

/** A deletion that waits for the next lines. */
interface Deletion {
  dev: string
  number: number
}

/** Devices of one DELETE request, whose query string stays below the 64 KiB of headers that the daemon takes. */
const DELETIONS_AT_ONCE = 512

/**
 * Exit code of a line with a wrong argument. ip calls exit(-1) there: it prints no more, and stops even with -force.
 */
const ENDS_AT_ONCE = 255

/** Runs `run` for every line; the exit code is 0, 1 when a line failed, 255 when a line had wrong words. */
export async function batch(
  file: string,
  context: Context,
  run: (words: readonly string[]) => Promise<number>,
): Promise<number> {
  let deletions: Deletion[] = []
  let code = 0
  const fail = (number: number, exit: number) => {
    const ends = exit === ENDS_AT_ONCE
    context.err(ends ? `vethctl: the batch ends at ${file}:${number}\n` : `Command failed ${file}:${number}\n`)
    code = ends ? exit : 1
  }
  const goesOn = () => code === 0 || (context.options.force && code !== ENDS_AT_ONCE)

  /** Sends the waiting deletions. Each failing device is one failing line; with -force the devices after it are tried too. */
  const flush = async () => {
    while (deletions.length > 0 && goesOn()) {
      const some = deletions.slice(0, DELETIONS_AT_ONCE)
      let done = some.length
      try {
        await context.client.removeDevices(
          some.map(({ dev }) => dev),
          context.options.netns,
        )
      } catch (error) {
        const exit = report(error, context.err)
        const at = removedOf(error)
        fail(some[at].number, exit)
        done = at + 1
      }
      deletions = deletions.slice(done)
    }
  }

  /** Runs one line, after the deletions before it were carried out and reported. */
  const obey = async ({ words, number }: BatchLine) => {
    const isDeletion = matches(words[0], 'link') && words.length > 1 && isDelete(words[1])
    try {
      if (isDeletion) {
        deletions.push({ dev: parseLinkDel(words.slice(2)), number })
        return
      }
      await flush()
      if (!goesOn()) return
      const exit = await run(words)
      if (exit !== 0) fail(number, exit)
    } catch (error) {
      await flush()
      if (goesOn()) fail(number, report(error, context.err))
    }
  }

  try {
    for (const line of parseBatch(readBatch(file))) {
      await obey(line)
      if (!goesOn()) break
    }
  } finally {
    await flush()
  }
  return code
}

function readBatch(file: string): string {
  try {
    return decodeText(readFileSync(file === '-' ? 0 : file))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const words = code === 'ENOENT' ? 'No such file or directory' : code === 'EACCES' ? 'Permission denied' : message
    throw new VethdError('ARGUMENT_INVALID', '-batch needs a file of commands, or - for standard input', {
      iproute2: `Cannot open file "${file}" for reading: ${words}`,
      exit: 1,
    })
  }
}

/** The commands of a batch, without empty lines. */
export function* parseBatch(text: string): Generator<BatchLine> {
  const joiner = new LineJoiner()
  for (const line of linesOf(text)) {
    const joined = joiner.add(line)
    if (joined === undefined) continue
    const words = splitWords(joined.text)
    if (words.length > 0) yield { words, number: joined.number }
  }
  if (joiner.waiting !== '') {
    throw unfinished('Missing continuation line', 'the last line ends with a backslash')
  }
}

/** The lines of a text, each with its line end; the last one may have none. */
export function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

/** One command line, joined from one or more lines of a file. */
export interface JoinedLine {
  /** Without line ends, continuations and comment. */
  text: string
  /** Unchanged, as in the file. */
  raw: string
  /** The number of its last line. */
  number: number
}

/** getcmdline(): joins a line that ends with a backslash to the next one. */
export class LineJoiner {
  #text = ''
  #number = 0
  /** The lines of an unfinished command, unchanged. */
  waiting = ''

  /** Takes the next line of the file, with its line end. Returns the command line that it completes. */
  add(line: string): JoinedLine | undefined {
    this.#number += 1
    this.#text += line
    this.waiting += line
    // in a comment, a backslash at the end of the line has no meaning
    if (!this.#text.includes('#') && this.#text.endsWith('\\\n')) {
      this.#text = this.#text.slice(0, -2)
      return undefined
    }
    const joined = { text: this.#text.split('#', 1)[0], raw: this.waiting, number: this.#number }
    this.#text = this.waiting = ''
    return joined
  }
}

/** makeargs(). */
export function splitWords(line: string): string[] {
  const words: string[] = []
  for (let at = 0; at < line.length; ) {
    const quote = line[at]
    if (/[ \t\r\n]/.test(quote)) {
      at += 1
    } else if (quote === '"' || quote === "'") {
      const end = line.indexOf(quote, at + 1)
      if (end < 0) throw unfinished('Unterminated quoted string', `the quote ${quote} has no end`)
      words.push(line.slice(at + 1, end))
      at = end + 1
    } else {
      const [word] = /^[^ \t\r\n]+/.exec(line.slice(at))!
      words.push(word)
      at += word.length
    }
  }
  return words
}

function unfinished(iproute2: string, detail: string): VethdError {
  return new VethdError('ARGUMENT_INVALID', detail, { iproute2, exit: 1 })
}
