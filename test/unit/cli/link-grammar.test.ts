/** The grammar of link add, set, del and show. test/daemon compares it with `ip`. */
import t from 'tap'
import { parseLinkShow } from '../../../src/cli/link-filter.js'
import { parseLinkAdd, parseLinkDel, parseLinkSet } from '../../../src/cli/link-grammar.js'
import type { VethdError } from '../../../src/errors.js'

const words = (line: string) => (line === '' ? [] : line.split(' '))
const add = (line: string) => parseLinkAdd(words(line))
const set = (line: string) => parseLinkSet(words(line))

/** What a line is refused with: exit code and iproute2's text. */
function refusal(act: () => unknown): [exit: number, iproute2: string | undefined] {
  try {
    act()
  } catch (error) {
    const { exit, iproute2 } = error as VethdError
    return [exit, iproute2]
  }
  throw new Error('nothing was refused')
}

t.test('a pair is named on both sides', async (t) => {
  const named = { dev: { name: 'veth1' }, peer: { name: 'veth2' } }
  t.same(add('veth1 type veth peer name veth2'), named)
  t.same(add('name veth1 type veth peer veth2'), named)
  t.same(add('dev veth1 type veth peer dev veth2'), named)
  t.same(add('name veth1 dev veth1 type veth peer name veth2'), named, 'twice the same is once')
})

t.test('bare "type veth" leaves both names to the daemon, and the peer to inherit', async (t) => {
  t.same(add('type veth'), { dev: {} })
  t.same(add('type veth peer'), { dev: {}, peer: {} }, 'a peer block inherits nothing')
})

t.test('every option stands on either side', async (t) => {
  const options =
    'address 2:0:0:0:0:A brd ff:ff:ff:ff:ff:ff mtu 0x5dc netns t1 index 7 qlen 100 numtxqueues 2 numrxqueues 2 up'
  const end = {
    address: '02:00:00:00:00:0a',
    broadcast: 'ff:ff:ff:ff:ff:ff',
    mtu: 1500,
    netns: 't1',
    index: 7,
    txqueuelen: 100,
    numtxqueues: 2,
    numrxqueues: 2,
    up: true,
  }
  t.same(add(`veth1 ${options} type veth peer name veth2 ${options}`), {
    dev: { name: 'veth1', ...end },
    peer: { name: 'veth2', ...end },
  })
})

t.test('keywords are abbreviated as ip abbreviates them', async (t) => {
  t.same(add('v1 a 2:0:0:0:0:1 b ff:ff:ff:ff:ff:ff t 9 numt 2 numr 2 ty veth'), {
    dev: {
      name: 'v1',
      address: '02:00:00:00:00:01',
      broadcast: 'ff:ff:ff:ff:ff:ff',
      txqueuelen: 9,
      numtxqueues: 2,
      numrxqueues: 2,
    },
  })
  t.same(set('v1 m br0').change, { master: 'br0' })
  t.same(set('v1 n').change, { master: null }, 'n is nomaster')
  t.same(refusal(() => add('x na y type veth'))[1], 'Error: either "dev" is duplicate, or "na" is a garbage.')
  t.same(add('x type veth peer na'), { dev: { name: 'x' }, peer: { name: 'na' } }, 'name in full, or it is a name')
})

t.test('the checksum mode stands behind the type, before or among the words of the peer', async (t) => {
  const both = { dev: { name: 'v1' }, peer: { name: 'v2' }, checksum: 'verify' }
  t.same(add('v1 type veth checksum verify peer name v2'), both)
  t.same(add('v1 type veth peer name v2 checksum verify'), both)
  t.same(add('v1 type veth checksum verify'), { dev: { name: 'v1' }, checksum: 'verify' })
  t.same(add('v1 type veth peer name checksum').peer, { name: 'checksum' }, 'a device may be called so')
  t.match(refusal(() => add('v1 type veth checksum verify peer checksum offload'))[1], /duplicate "checksum"/)
})

t.test('what ip refuses to read is refused in its words', async (t) => {
  const cases: [line: string, exit: number, iproute2: string][] = [
    ['', 1, 'Not enough information: "type" argument is required'],
    ['x', 1, 'Not enough information: "type" argument is required'],
    ['x type', 255, 'Command line is not complete. Try option "help"'],
    ['x type foo', 2, 'Error: Unknown device type.'],
    ['x type ve', 2, 'Error: Unknown device type.'],
    ['x foo type veth', 255, 'Error: either "dev" is duplicate, or "foo" is a garbage.'],
    ['x mtu', 255, 'Command line is not complete. Try option "help"'],
    ['x mtu abc type veth', 255, 'Error: argument "abc" is wrong: Invalid "mtu" value'],
    ['x mtu 15x type veth', 255, 'Error: argument "15x" is wrong: Invalid "mtu" value'],
    ['x mtu 9 mtu 8 type veth', 255, 'Error: duplicate "mtu": "8" is the second value.'],
    ['x index 2147483648 type veth', 255, 'Error: argument "2147483648" is wrong: Invalid "index" value'],
    ['x index 0 type veth', 255, 'Error: argument "0" is wrong: Invalid "index" value'],
    ['x address -1 type veth', 1, '"-1" is invalid lladdr.'],
    ['x address 10000000000000000 type veth', 1, '"10000000000000000" is invalid lladdr.'],
    ['x address zz type veth', 1, '"zz" is invalid lladdr.'],
    ['x address 2:0:0:0:0:100 type veth', 1, '"100" is invalid lladdr.'],
    ['a/b type veth', 255, 'Error: argument "a/b" is wrong: "dev" not a valid ifname'],
    ['1/a type veth', 255, 'Error: argument "1/a" is wrong: "dev" not a valid ifname'],
    ['name a/b type veth', 255, 'Error: argument "a/b" is wrong: "name" not a valid ifname'],
    ['name sixteen_bytes_xy type veth', 255, 'Error: argument "sixteen_bytes_xy" is wrong: "name" not a valid ifname'],
    ['h type veth', 255, 'Usage: vethctl link help'],
    ['x type veth peer help', 255, 'Usage: vethctl link help'],
    ['x group 2147483648 type veth', 255, 'Error: argument "2147483648" is wrong: Invalid "group" value'],
    ['name x dev y type veth', 255, 'both "name" and "dev" cannot be used when creating devices.'],
    ['x type veth peer name', 255, 'Command line is not complete. Try option "help"'],
    ['x type veth peer name y foo', 255, 'both "name" and "dev" cannot be used when creating devices.'],
    ['x type veth peer name y type veth', 255, 'Error: duplicate "type": "veth" is the second value.'],
  ]
  for (const [line, exit, iproute2] of cases)
    t.same(
      refusal(() => add(line)),
      [exit, iproute2],
      `link add ${line}`,
    )
  t.equal(refusal(() => add('x type veth foo'))[0], 1)
})

t.test('set takes several changes at once', async (t) => {
  t.same(set('dev veth1 down address 02:00:00:00:00:01 mtu 1400 name eth0 txqueuelen 10 master br0 netns t1'), {
    dev: 'veth1',
    change: {
      up: false,
      address: '02:00:00:00:00:01',
      mtu: 1400,
      name: 'eth0',
      txqueuelen: 10,
      master: 'br0',
      netns: 't1',
    },
  })
  t.same(
    set('v1 brd 2:0:0:0:0:1 alias x group 5 arp off multicast on promisc on allmulticast off mode DORMANT').change,
    {
      broadcast: '02:00:00:00:00:01',
      alias: 'x',
      group: 5,
      arp: false,
      multicast: true,
      promisc: true,
      allmulticast: false,
      mode: 'dormant',
    },
  )
  t.same(set('v1 al x alias y dynamic on dynamic off trailers off').change, {
    alias: 'y',
    dynamic: false,
    trailers: false,
  })
  t.same(set('veth1'), { dev: 'veth1', change: {} })
  t.same(set('veth1 gro-flush-us 50').change, { gro_flush_us: 50 }, "vethd's own")
  t.same(refusal(() => set('veth1 gro-flush-us x'))[0], 255)
  t.same(add('gro-flush-us type veth'), { dev: { name: 'gro-flush-us' } }, 'of a device that is there')
  t.same(set('1/b up'), { dev: '1/b', change: { up: true } }, 'an end of a pair is a device')
  t.same(set('veth1 name veth1').change, {}, 'its own name is no change')
})

t.test('a change that cannot be read is refused in the words of ip', async (t) => {
  t.same(
    refusal(() => set('')),
    [255, 'Not enough information: "dev" argument is required.'],
  )
  t.same(
    refusal(() => set('veth1 foo')),
    [255, 'Error: either "dev" is duplicate, or "foo" is a garbage.'],
  )
  t.same(
    refusal(() => set('veth1 address 1:2:3')),
    [1, 'Invalid address length 3 - must be 6 bytes'],
  )
  t.same(
    refusal(() => set('veth1 address 10.0.0.1')),
    [1, 'Invalid address length 4 - must be 6 bytes'],
  )
})

t.test('a keyword of ip that vethd leaves to ip is named, and not taken for a device', async (t) => {
  for (const line of ['veth1 carrier on', 'veth1 index 7', 'veth1 gso_max_size 1', 'group 5 up']) {
    t.throws(() => set(line), { code: 'ARGUMENT_INVALID', message: /use "ip link set"/, exit: 255 }, line)
  }
  t.throws(() => parseLinkShow(['vrf', 'blue']), { message: /use "ip link show"/ })
  t.throws(() => parseLinkDel(['a']), { message: /"address", which "a" abbreviates.*write "dev a"/ })
  t.equal(parseLinkDel(['dev', 'a']), 'a')
})

t.test('del and show take one device', async (t) => {
  t.equal(parseLinkDel(['veth1']), 'veth1')
  t.equal(parseLinkDel(words('dev veth1 type veth')), 'veth1')
  t.same(
    refusal(() => parseLinkDel([])),
    [255, 'Not enough information: "dev" argument is required.'],
  )
  t.same(
    refusal(() => parseLinkDel(['v1', 'v2'])),
    [255, 'Error: either "dev" is duplicate, or "v2" is a garbage.'],
  )
  t.same(parseLinkShow([]), {})
  t.same(parseLinkShow(['dev', 'veth1']), { dev: 'veth1' })
  t.same(
    refusal(() => parseLinkShow(['a', 'b'])),
    [255, 'Error: either "dev" is duplicate, or "b" is a garbage.'],
  )
  t.same(
    refusal(() => parseLinkShow(['dev'])),
    [255, 'Command line is not complete. Try option "help"'],
  )
})

t.test('show takes filters as well, in any order, the last of a kind', async (t) => {
  const show = (line: string) => parseLinkShow(words(line))
  t.same(show('up type veth master br0 veth1'), { up: true, kind: 'veth', master: 'br0', dev: 'veth1' })
  t.same(show('type veth type bridge_slave type tun'), { kind: 'tun', slaveKind: 'bridge' })
  t.match(show('master br0 nomaster group 0x10'), { nomaster: true, master: undefined, group: 16 })
  t.same(
    refusal(() => show('group nope')),
    [255, 'Error: argument "nope" is wrong: Invalid "group" value'],
  )
  t.same(
    refusal(() => show('up type')),
    [255, 'Command line is not complete. Try option "help"'],
  )
})

t.test('an index is read as C reads it, in 32 bits', async (t) => {
  const index = (word: string) => add(`x index ${word} type veth`).dev?.index
  t.equal(index('2147483647'), 2147483647)
  t.equal(index('99999999999'), 1215752191)
  t.equal(index('12abc'), 12)
  t.equal(index('+21'), 21)
})
