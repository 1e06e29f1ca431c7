/** The log level that the journal gets for a line. */
import { pino } from 'pino'
import t from 'tap'
import { withPriorities } from '../../../daemon/log.js'

t.test('each line begins with its syslog priority', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'trace', base: undefined }, withPriorities({ write: (line) => void lines.push(line) }))
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](level)
  t.same(
    lines.map((line) => [line.slice(0, 3), JSON.parse(line.slice(3)).msg]),
    [
      ['<7>', 'trace'],
      ['<7>', 'debug'],
      ['<6>', 'info'],
      ['<4>', 'warn'],
      ['<3>', 'error'],
      ['<2>', 'fatal'],
    ],
  )
})
