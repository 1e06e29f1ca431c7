/** Batch files: how lines are split into words, and which lines run, in which order, if one of them fails. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { batch, parseBatch } from '../../../src/cli/batch.js'
import type { Context } from '../../../src/cli/commands/context.js'
import { parseOptions } from '../../../src/cli/options.js'
import { VethdError } from '../../../src/errors.js'

const lines = (text: string) => [...parseBatch(text)].map(({ words, number }) => [number, ...words])

t.test('a batch is read as ip reads it', async (t) => {
  t.same(lines('link add a\n\n  # all comment\nlink\tdel a # trailing\n'), [
    [1, 'link', 'add', 'a'],
    [4, 'link', 'del', 'a'],
  ])
  t.same(lines('link \\\nadd \\\n a # x\nlink'), [
    [3, 'link', 'add', 'a'],
    [4, 'link'],
  ])
  t.same(
    lines('link # no \\\nlink'),
    [
      [1, 'link'],
      [2, 'link'],
    ],
    'a comment ends with its line',
  )
  t.same(lines(`'a b' "c'd"e "" f"g`), [[1, 'a b', "c'd", 'e', '', 'f"g']], 'a word that begins with a quote')
  t.throws(() => lines('link "x'), { name: 'VethdError', iproute2: 'Unterminated quoted string', exit: 1 })
  t.throws(() => lines('link \\\n'), { name: 'VethdError', iproute2: 'Missing continuation line' })
  t.same(lines(''), [])
})

/** Runs a batch against a daemon in which `missing` devices cannot be deleted; what it did and said, in order. */
async function runBatch(t: Test, text: string, options: string[] = [], missing: string[] = []) {
  const file = join(t.testdir(), 'batch')
  writeFileSync(file, text)
  const done: string[] = []
  const client = {
    async removeDevices(devices: string[]) {
      const at = devices.findIndex((dev) => missing.includes(dev))
      const removed = at < 0 ? devices.length : at
      done.push(`delete ${devices.slice(0, removed).join(' ')}`)
      if (at >= 0) throw new VethdError('DEVICE_NOT_FOUND', 'not here', { cause: { removed: at } })
    },
  }
  const context = {
    options: parseOptions(options).options,
    client,
    out: () => {},
    err: (line: string) => done.push(line.replace(file, 'FILE').trim()),
  } as unknown as Context
  const run = async (words: readonly string[]) => {
    done.push(words.join(' '))
    if (words.includes('bad')) throw new VethdError('DEVICE_NOT_FOUND', 'no')
    if (words.includes('wrong')) throw new VethdError('ARGUMENT_INVALID', 'no')
    return words.includes('fails') ? 1 : 0
  }
  return { code: await batch(file, context, run), done }
}

t.test('a run of deletions is one request', async (t) => {
  const { code, done } = await runBatch(
    t,
    'link add a\nlink del deva\nl d devb\nlink delete dev devc\nlink add d\nlink del devd\n',
  )
  t.equal(code, 0)
  t.same(done, ['link add a', 'delete deva devb devc', 'link add d', 'delete devd'])
})

t.test('the first failure ends it', async (t) => {
  t.same(await runBatch(t, 'link add bad\nlink add a'), {
    code: 1,
    done: ['link add bad', 'vethctl: no', 'Command failed FILE:1'],
  })
  t.same(await runBatch(t, 'stats fails\nlink add a'), { code: 1, done: ['stats fails', 'Command failed FILE:1'] })
  t.same(await runBatch(t, 'link del deva\n\nlink del x\nlink del devb\nlink add c', [], ['x']), {
    code: 1,
    done: ['delete deva', 'vethctl: not here', 'Command failed FILE:3'],
  })
})

t.test('a deletion that cannot be read fails after those before it', async (t) => {
  t.match((await runBatch(t, 'link del deva\nlink del devb devc\nlink del devd')).done, [
    'delete deva',
    'Error: either "dev" is duplicate, or "devc" is a garbage.',
    /^vethctl: /,
    'vethctl: the batch ends at FILE:2',
  ])
})

t.test('a wrong word ends it with 255 where it stands, with -force too', async (t) => {
  for (const options of [[], ['-force']]) {
    t.same(await runBatch(t, 'link add a\nlink add wrong\nlink add b', options), {
      code: 255,
      done: ['link add a', 'link add wrong', 'vethctl: no', 'vethctl: the batch ends at FILE:2'],
    })
  }
  const { code, done } = await runBatch(t, 'link del x\nlink del\nlink del deva', ['-force'], ['x'])
  t.equal(code, 255)
  t.notMatch(done, /deva/)
})

t.test('-force goes on after each failure and fails in the end', async (t) => {
  t.same(await runBatch(t, 'link del x\nlink del deva\nlink del y\nlink add bad\nlink add c', ['-force'], ['x', 'y']), {
    code: 1,
    done: [
      'delete ',
      'vethctl: not here',
      'Command failed FILE:1',
      'delete deva',
      'vethctl: not here',
      'Command failed FILE:3',
      'link add bad',
      'vethctl: no',
      'Command failed FILE:4',
      'link add c',
    ],
  })
})

t.test('a file that cannot be read is refused in the words of ip', async (t) => {
  const context = { options: parseOptions([]).options } as Context
  await t.rejects(
    batch('/nonexistent', context, async () => 0),
    { name: 'VethdError', iproute2: 'Cannot open file "/nonexistent" for reading: No such file or directory', exit: 1 },
  )
})
