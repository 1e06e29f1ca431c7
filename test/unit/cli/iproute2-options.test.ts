/** All options of `ip` and `tc`, and which `link add` makes a veth pair. */
import t from 'tap'
import { parseIpOptions, parseTcOptions } from '../../../src/cli/iproute2-options.js'
import { isVethAdd } from '../../../src/cli/link-keywords.js'

const parse = (line: string) => parseIpOptions(line.split(' '))

t.test('options are skipped with their values, and those that vethd needs are kept', async (t) => {
  t.match(parse('-s --details -o -4 -br -c=always -f inet -rc 9000 -l 3 -echo link add x'), {
    netns: undefined,
    batch: undefined,
    force: false,
    rest: ['link', 'add', 'x'],
  })
  t.match(parse('-n one -netns two l a x'), { netns: 'two', others: ['-n', 'one', '-netns', 'two'] })
  t.match(parse('-j -fo -b - -N'), { batch: '-', force: true, others: ['-j', '-fo', '-N'], rest: [] })
  t.same(parse('-- -n')?.rest, ['-n'])
})

t.test('where ip ends at an option, nothing is vethd’s', async (t) => {
  for (const line of [
    '-V link',
    '-he',
    '--help',
    '-foo',
    '-n',
    '-f nonsense link',
    '-c=sometimes link',
    '-s=always x',
  ]) {
    t.equal(parse(line), undefined, line)
  }
})

t.test('tc has options of its own, and no "--"', async (t) => {
  const parse = (line: string) => parseTcOptions(line.split(' '))
  t.match(parse('-s -d -N -nm -cf /dev/null -c=always -br -n two -fo qdisc add'), {
    netns: 'two',
    batch: undefined,
    force: true,
    rest: ['qdisc', 'add'],
  })
  t.match(parse('-c file -co file -col -b - -j'), { batch: '-', others: ['-c', 'file', '-co', 'file', '-col', '-j'] })
  for (const line of ['-- qdisc', '--stats qdisc', '-V', '-h qdisc', '-x', '-b', '-n', '-s=always', '-l 3']) {
    t.equal(parse(line), undefined, line)
  }
})

t.test('an addition of type veth is told from all others', async (t) => {
  const ours = [
    'link add type veth',
    'l a x ty veth',
    'link add x mtu 1400 address 02:00:00:00:00:01 netns type type veth peer name y',
    'link add dev type type veth',
    'link add name veth up type veth checksum verify',
    'link add nomaster x type veth',
    'link replace x type veth',
    'l r x up type veth',
  ]
  const others = [
    '',
    'link',
    'link show type veth',
    'link set x type veth',
    'link replace x up',
    'link change x type veth',
    'link add type type veth',
    'link add veth type bridge',
    'link add x t veth',
    'link add a type veth',
    'link add x type vethx',
    'link add x type veth help',
    'link add x vf 0 type veth',
    'addr add type veth',
  ]
  for (const line of ours) t.ok(isVethAdd(line.split(' ')), line)
  for (const line of others) t.notOk(isVethAdd(line.split(' ')), line)
})
