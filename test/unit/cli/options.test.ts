/** The options before the object. */
import t from 'tap'
import { parseOptions } from '../../../src/cli/options.js'

const parse = (line: string) => parseOptions(line === '' ? [] : line.split(' '))

t.test('options are read up to the object, abbreviated, with one dash or two', async (t) => {
  t.match(parse('-s -d -j -p -n t1 link show -x'), {
    options: { statistics: 1, details: true, json: true, pretty: true, netns: 't1' },
    rest: ['link', 'show', '-x'],
  })
  t.match(parse('--json -stat -statistics --netns t1 -force -b file'), {
    options: { json: true, statistics: 2, netns: 't1', force: true, batch: 'file' },
    rest: [],
  })
  t.match(parse('-V'), { options: { version: true } })
  t.match(parse('--version'), { options: { version: true } })
  t.match(parse('-h'), { options: { help: false, human: true } }, 'as in ip')
  t.match(parse('-he'), { options: { help: true, human: false } })
  t.match(parse('-help'), { options: { help: true, human: false } })
  t.match(parse('-br -o -c -iec link'), { options: { brief: true, oneline: true, color: 'always', iec: true } })
  t.match(parse('-color=auto'), { options: { color: 'auto' } })
  t.match(parse('--col=never'), { options: { color: 'never' } })
  t.same(parse('-- -s').rest, ['-s'])
})

t.test('the socket is an option in either fashion', async (t) => {
  t.equal(parse('link').options.socket, '/run/vethd/control.sock')
  t.equal(parse('--socket /tmp/s link').options.socket, '/tmp/s')
  t.equal(parse('--socket=/tmp/s link').options.socket, '/tmp/s')
})

t.test('an unknown option is refused in the words of ip', async (t) => {
  t.throws(() => parse('-foo link'), {
    name: 'VethdError',
    exit: 255,
    iproute2: 'Option "-foo" is unknown, try "vethctl -help".',
  })
  t.throws(() => parse('-c=foo link'), {
    name: 'VethdError',
    iproute2: 'Option "-c=foo" is unknown, try "vethctl -help".',
  })
  // -f is short for ip's -family, and not for -force
  t.throws(() => parse('-f inet link'), { name: 'VethdError', exit: 255 })
  t.throws(() => parse('-n'), {
    name: 'VethdError',
    exit: 255,
    iproute2: 'Command line is not complete. Try option "help"',
  })
})
