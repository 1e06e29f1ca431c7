/**
 * Bad input: each command runs by `ip` with a kernel veth, and by vethctl with a pair of vethd. Exit code and first
 * line are the same, the next line is vethd's own, and nothing has changed.
 *
 *     namespace k:  veth1 ── veth2 (kernel)  br0        ip …
 *     namespace h:  veth1 ── veth2 (vethd)   br0        vethctl …
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { missing, run, split, startRig, temporaryFolder } from './harness.js'

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
  'link add x1 index 2147483648 type veth',
  'link add x1 index 99999999999999999999 type veth',
  'link add x1 index 4294967296 type veth',
  'link add x1 type veth peer name x2 index 2147483648',
  // link set
  'link set veth1 arp ON',
  'link set veth1 arp',
  'link set veth1 multicast yes',
  'link set veth1 multi on',
  'link set veth1 allmulticast 1',
  'link set veth1 promisc foo',
  'link set veth1 prom on',
  'link set veth1 dynamic foo',
  'link set veth1 trailers foo',
  'link set veth1 broadcast zz',
  'link set veth1 broadcast 1:2',
  'link set veth1 brd',
  'link set veth1 group nope',
  'link set veth1 group -1',
  'link set veth1 group 4294967295',
  'link set veth1 group 5 group 6',
  'link set veth1 mode foo',
  'link set veth1 mode',
  `link set veth1 alias ${'x'.repeat(256)}`,
  'link set veth1 alias',
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
  'link show master nope',
  'link show group nope',
  'link show type',
  'link show up veth1 veth2',
]

/** Changes, one after the other. */
const CHANGES: (string | string[])[] = [
  'link set veth1 arp off multicast off allmulticast on promisc on dynamic on trailers off',
  ['link', 'set', 'veth1', 'al', 'a name of its own', 'group', '5', 'mode', 'DORMANT'],
  'link set veth1 b 2:0:0:0:0:9 promisc off promisc on',
  `link set veth1 alias ${'x'.repeat(255)} brd 1:2:3:4:5:6:7`,
  ['link', 'set', 'veth1', 'alias', '', 'group', 'default', 'mode', 'default'],
  'link set veth1 alias x alias y arp on multicast on allmulticast off promisc off',
  'link set veth1 dynamic off trailers on',
]

t.test('what ip refuses, vethctl refuses with the same exit code and the same words', { skip }, async (t) => {
  const { topology, host, inProcess, must } = await startRig(t)
  const kernel = await topology.namespace('k')
  await kernel.do('ip link add veth1 type veth peer name veth2')
  await must('link add veth1 type veth peer name veth2')
  for (const ns of [kernel, host]) await ns.do('ip link add br0 type bridge')
  const before = await host.do('ip -j link show')

  for (const words of REFUSED) {
    // ip -n only finds namespaces by itself, so it is not entered first
    const [ip, ours] = [await run(kernel.argv(['ip', ...split(words)])), await inProcess(words)]
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

  await t.test('and a batch ends with the same code and the same words', async (t) => {
    const file = join(await temporaryFolder(topology), 'batch')
    for (const words of REFUSED.filter((words): words is string => typeof words === 'string' && !/^-/.test(words))) {
      writeFileSync(file, `${words}\nfoo\n`)
      const ip = await run(kernel.argv(['ip', '-force', '-batch', file]))
      const ours = await inProcess(['-force', '-batch', file])
      const said = ours.stderr.split('\n').filter((line) => !/^vethctl: |^Usage: /.test(line))
      const expected = ip.stderr.replace(/try "ip /gi, (words) => words.replace('ip', 'vethctl'))
      const lines = expected.replaceAll('\n\n', '\n').split('\n')
      t.same([ours.code, said], [ip.code, lines], words)
    }
    t.same(JSON.parse(await host.do('ip -j link show')), JSON.parse(before), 'nothing has changed')
  })
})

t.test('what ip changes, vethctl changes in the same way', { skip }, async (t) => {
  const { topology, host, inProcess, must } = await startRig(t)
  const kernel = await topology.namespace('k')
  await kernel.do('ip link add veth1 type veth peer name veth2')
  await must('link add veth1 type veth peer name veth2')
  const state = async (ns: typeof host) => {
    const [{ flags, linkmode, group, broadcast, ifalias }] = JSON.parse(await ns.do('ip -j link show veth1'))
    return [flags.filter((flag: string) => flag !== 'M-DOWN').sort(), linkmode, group, broadcast, ifalias]
  }
  for (const words of CHANGES) {
    const ip = await run(kernel.argv(['ip', ...split(words)]))
    t.match(await inProcess(words), { code: ip.code, stdout: '', stderr: '' }, `${words}`)
    t.same(await state(host), await state(kernel), `${words}`)
  }
  // -h is -human-readable, and not help
  for (const ns of [kernel, host]) t.ok(await ns.has('veth1'))
  t.equal((await run(kernel.argv('ip -h link del veth1'))).code, 0)
  t.match(await inProcess('-h link del veth1'), { code: 0, stdout: '' })
  for (const ns of [kernel, host]) t.notOk(await ns.has('veth1'))
})

t.test('a txqueuelen longer than a ring can be is refused, and the limit said', { skip }, async (t) => {
  const { host, inProcess } = await startRig(t)
  const refused = { code: 2, stderr: /^RTNETLINK answers: Numerical result out of range\nvethctl: .*524288/ }
  t.match(await inProcess('link add x1 txqueuelen 524289 type veth'), refused)
  t.same(await host.devices(), [])
  t.match(await inProcess('link add x1 txqueuelen 524288 type veth'), { code: 0 })
  t.match(await inProcess('link set x1 txqueuelen 524289'), refused)
  t.match(await inProcess('link set x1 txqueuelen -5'), refused)
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
