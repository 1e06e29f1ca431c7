/**
 * Bad input: each command is typed to `ip` beside a kernel veth and to vethctl beside a pair of vethd. Exit code and
 * first line are the same, the next line is vethd's own, and nothing has changed.
 *
 *     namespace k:  veth1 ── veth2 (kernel)  br0        ip …
 *     namespace h:  veth1 ── veth2 (vethd)   br0        vethctl …
 */
import t from 'tap'
import { missing, run, split, startRig } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

/** Command lines, or words where one of them holds a blank. */
const REFUSED: (string | string[])[] = [
  // names that the kernel refuses
  'link add sixteen_bytes_xy type veth',
  'link add name sixteen_bytes_xy type veth',
  'link add a/b type veth',
  'link add name a/b type veth',
  ['link', 'add', 'a b', 'type', 'veth'],
  ['link', 'add', '', 'type', 'veth'],
  'link add . type veth',
  'link add .. type veth',
  'link add x:y type veth',
  'link add x1 type veth peer name a/b',
  'link add x1 type veth peer name sixteen_bytes_xy',
  'link add x1 type veth peer name .',
  // duplicates
  'link add veth1 type veth',
  'link add veth1 type veth peer name x2',
  'link add x1 type veth peer name veth2',
  'link add br0 type veth',
  'link add x1 type veth peer name x1',
  'link add x1 index 1 type veth',
  'link set veth1 name veth2',
  'link set veth1 name br0',
  // addresses
  'link add x1 address zz type veth',
  'link add x1 address 02:00:00:00:00:100 type veth',
  'link add x1 address 02:00:00:00:00 type veth',
  'link add x1 address 01:00:00:00:00:01 type veth',
  'link add x1 address 00:00:00:00:00:00 type veth',
  'link add x1 type veth peer name x2 address 01:00:00:00:00:01',
  'link add x1 broadcast zz type veth',
  'link set veth1 address zz',
  'link set veth1 address 02:00:00:00:00',
  'link set veth1 address 01:00:00:00:00:01',
  // MTU
  'link add x1 mtu 67 type veth',
  'link add x1 mtu 65536 type veth',
  'link add x1 mtu -1 type veth',
  'link add x1 mtu abc type veth',
  'link add x1 type veth peer name x2 mtu 67',
  'link set veth1 mtu 67',
  'link set veth1 mtu 65536',
  'link set veth1 mtu',
  // queues and lengths
  'link add x1 numtxqueues 5000 type veth',
  'link add x1 numtxqueues 0 type veth',
  'link add x1 numtxqueues abc type veth',
  'link add x1 txqueuelen abc type veth',
  'link add x1 index 0 type veth',
  'link add x1 index abc type veth',
  // namespaces
  'link add x1 netns no.such type veth',
  'link add x1 type veth peer name x2 netns no.such',
  'link add x1 netns /no/such type veth',
  'link add x1 netns /etc/passwd type veth',
  'link set veth1 netns no.such',
  'link set veth1 netns /no/such',
  'link add x1 netns ./no type veth',
  'link set veth1 netns 999999999',
  'link set veth1 netns /dev/null',
  'link set veth1 netns /run',
  'link set veth1 netns /proc/self/ns/mnt',
  'link set veth1 netns /proc/999999999/ns/net',
  '-n no.such link show',
  ['-n', '', 'link', 'show'],
  '-n no.such link add x1 type veth',
  // keywords
  'link add x1',
  'link add',
  'link add x1 type',
  'link add x1 type foo',
  'link add x1 type foo bar',
  'link add x1 foo type veth',
  'link add x1 type veth peer name x2 foo',
  'link add x1 type veth peer name',
  'link add x1 type veth peer name x2 type veth',
  'link add x1 mtu 1500 mtu 1500 type veth',
  'link set veth1 foo',
  'link set',
  'link foo',
  'foo',
  '-foo link',
  // devices
  'link del nope',
  'link del',
  'link del veth1 veth2',
  'link set nope up',
  'link set veth1 master nope',
  'link show nope',
  'link show veth1 veth2',
  'link show dev',
]

t.test('what ip refuses, vethctl refuses with the same exit code and the same words', { skip }, async (t) => {
  const { topology, host, vethctl, must } = await startRig(t)
  const kernel = await topology.namespace('k')
  await kernel.do('ip link add veth1 type veth peer name veth2')
  await must('link add veth1 type veth peer name veth2')
  for (const ns of [kernel, host]) await ns.do('ip link add br0 type bridge')
  const before = await host.do('ip -j link show')

  const answers = await Promise.all(
    REFUSED.map(async (words) => {
      // ip -n only finds namespaces by itself, so it is not entered first
      const [ip, ours] = [await run(kernel.argv(['ip', ...split(words)])), await vethctl(words)]
      return { words, ip, ours }
    }),
  )
  for (const { words, ip, ours } of answers) {
    const line = `vethctl ${split(words).join(' ')}`
    const [first, second] = ours.stderr.split('\n')
    t.same(
      [ours.code, first],
      [ip.code, ip.stderr.split('\n')[0].replace(/try "ip /i, (words) => words.replace('ip', 'vethctl'))],
      line,
    )
    t.match(second, /^vethctl: ./, `${line}: a line of its own`)
    t.equal(ours.stdout, '', `${line}: nothing on stdout`)
  }
  t.same(JSON.parse(await host.do('ip -j link show')), JSON.parse(before), 'nothing has changed')
})

t.test('an option of veth that there is not has exit code 1', { skip }, async (t) => {
  const { vethctl } = await startRig(t)
  const { code, stderr } = await vethctl('link add x1 type veth foo')
  t.equal(code, 1)
  t.match(stderr, /^Usage: vethctl link <options> type veth .*\nvethctl: .*"foo"/)
})

t.test('an MTU that a veth can have and a TAP cannot is refused, and the limit said', { skip }, async (t) => {
  const { host, vethctl } = await startRig(t)
  const { code, stderr } = await vethctl('link add x1 mtu 65522 type veth')
  t.equal(code, 2)
  t.match(stderr, /65521/)
  t.same(await host.devices(), [])
})
