/** The arguments of `vethctl ping`. */
import t from 'tap'
import { parsePing, pingWords } from '../../../src/cli/ping/options.js'

const parse = (line: string) => parsePing(line.split(' '))!

t.test('options are read as ping reads them', async (t) => {
  t.same(parse('192.0.2.2'), {
    address: '192.0.2.2',
    netns: undefined,
    count: undefined,
    intervalMs: 1000,
    waitMs: 1000,
    size: 56,
    family: undefined,
    json: false,
    pretty: false,
  })
  t.match(parse('-n t1 -c 3 -i .2 -W 0.5 -s 0 -4 ::1'), {
    netns: 't1',
    count: 3,
    intervalMs: 200,
    waitMs: 500,
    size: 0,
  })
  t.match(parse('::1 -6jpc5 -i0'), { address: '::1', family: 6, json: true, pretty: true, count: 5, intervalMs: 0 })
  t.match(parse('-c 2 -- -odd'), { address: '-odd' })
  t.equal(parsePing(['--help']), undefined)
  t.equal(parsePing(['-h']), undefined)
})

t.test('a child is given the same options', async (t) => {
  for (const line of ['192.0.2.2', '-c 3 -i .2 -W 7 -s 1000 -6 -j -p fe80::1%veth1', '-4 -- -odd']) {
    t.same(parsePing(pingWords(parse(line))), parse(line), line)
  }
  t.same(parsePing(pingWords(parse('-n t1 ::1'))), parse('::1'), 'which is in the namespace already')
})

t.test('a wrong word is refused with what it may be', async (t) => {
  const refusals = {
    '': 'say one address',
    '192.0.2.2 192.0.2.3': 'say one address',
    '-4 -6 ::1': 'only one of -4 and -6',
    '-x ::1': "Unknown option '-x': see",
    '-c': "Option '-c, --count <value>' argument missing: see",
    '-c 0 ::1': '"0" is wrong for -c: it takes a number from 1',
    '-c x ::1': '"x" is wrong for -c',
    '-c 1.5 ::1': '"1.5" is wrong for -c',
    '-i x ::1': '"x" is wrong for -i: it takes seconds from 0',
    '-i 1e3 ::1': '"1e3" is wrong for -i',
    '-W 0 ::1': '"0" is wrong for -W: it takes seconds from 0.001',
    '-W 99999999 ::1': '"99999999" is wrong for -W',
    '-s 65508 ::1': '"65508" is wrong for -s: it takes a number from 0 to 65507',
  }
  for (const [line, message] of Object.entries(refusals)) {
    t.throws(
      () => parsePing(line.split(' ').filter((word) => word !== '')),
      { name: 'VethdError', code: 'ARGUMENT_INVALID', message: new RegExp(`^${message.replace(/[.<>]/g, '\\$&')}`) },
      line,
    )
  }
})
