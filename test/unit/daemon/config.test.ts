/** The daemon's command line. */
import t from 'tap'
import { parseConfig } from '../../../daemon/config.js'

const parse = (line: string) => parseConfig(line === '' ? [] : line.split(' '))

t.test('nothing said is the default socket, engine auto and no pair', async (t) => {
  t.same(parse(''), {
    socket: '/run/vethd/control.sock',
    engine: 'auto',
    workers: undefined,
    cpus: undefined,
    busyPollUs: undefined,
    pairs: [],
    logLevel: 'info',
  })
})

t.test('everything can be said, and pairs more than once', async (t) => {
  t.same(
    parse(
      '--socket /tmp/s --engine poll --workers 2 --cpus 0-2,5 --busy-poll 50 --pair a,b --pair c,d --log-level debug',
    ),
    {
      socket: '/tmp/s',
      engine: 'poll',
      workers: 2,
      cpus: [0, 1, 2, 5],
      busyPollUs: 50,
      pairs: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      logLevel: 'debug',
    },
  )
})

t.test('what cannot be meant is refused', async (t) => {
  for (const line of [
    '--engine',
    '--engine foo',
    '--log-level',
    '--socket',
    '--socket ',
    '--socket a --socket b',
    '--workers x',
    '--workers 0',
    '--workers 1.5',
    '--cpus x',
    '--busy-poll x',
    '--busy-poll -1',
    '--busy-poll 0.5',
    '--busy-poll 100001',
    '--workers',
    '--pair',
    '--pair a',
    '--pair a,b,c',
    '--foo',
    'foo',
  ]) {
    t.throws(() => parse(line), { code: 'ARGUMENT_INVALID', exit: 255, message: /^[^\n]+$/ }, line)
  }
})
