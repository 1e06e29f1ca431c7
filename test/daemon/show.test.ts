/**
 * `link show` compared with `ip`: the same device and options give the same text and JSON, except for information that
 * only vethd has. And stats, doctor and their JSON.
 *
 *     namespace h:  veth1 ─┬─ vethd ─┬─ veth2        namespace t:  veth4
 *                   veth3 ─┘         └─ veth4 …
 */
import t, { type Test } from 'tap'
import { joinRig, missing, type Rig, startRig, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

const OPTIONS = [
  ...['', '-s', '-s -s', '-d', '-s -d', '-j', '-j -s', '-j -s -s', '-j -d -s', '-p -j', '-p -j -d -s'],
  ...['-br', '-br -s -d', '-br -j', '-br -p -j', '-o', '-o -s -s -d', '-o -br', '-o -j -s', '-c', '-c -s -d'],
  ...['-c -br', '-c -o', '-c -j', '-color=auto', '-col=never', '-c=', '-h'],
]
/** Where there is much to count. */
const COUNTING = ['-h -s', '-h -s -s', '-h -iec -s', '-iec -s', '-h -j -s', '-h -o -c -s', '-s', '-o -s']
/** Where the device is what differs: all that is known of it, in each layout. */
const FULL = ['-s -s -d', '-p -j -d -s -s', '-br -c', '-o -c -d']

/** Some thousand frames to veth1, as soon as both ends have their carrier. */
const FLOOD = `
import socket, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('veth2', 0))
carrier = open('/sys/class/net/veth2/carrier')
while carrier.read(1) != '1': carrier.seek(0)
sent = 0
while sent < 2125:
    try: sent += out.send(bytes(12) + b'\\x88\\xb5' + bytes(1000)) > 0
    except OSError: time.sleep(0.001) # a full ring
`

/** What vethctl prints for a device, without the line or the member that is its own. */
async function compare(t: Test, { host, inProcess }: Rig, device: string, where = '', each = FULL): Promise<void> {
  for (const options of each) {
    const words = [where, options, 'link show', device].filter((part) => part !== '').join(' ')
    const [ip, ours] = await readBoth(
      () => host.do(`ip ${words}`),
      () => inProcess(words),
    )
    t.equal(ours.code, 0, ours.stderr)
    if (options.includes('-j')) {
      t.same(
        JSON.parse(ours.stdout).map(({ vethd: _, ...rest }: { vethd: object }) => rest),
        JSON.parse(ip),
        words,
      )
    }
    t.equal(withoutOurs(ours.stdout), ip, words)
  }
}

/** Reads until nothing was counted meanwhile. */
async function readBoth<T>(ip: () => Promise<string>, ours: () => Promise<T>): Promise<[string, T]> {
  for (;;) {
    const before = await ip()
    const between = await ours()
    if ((await ip()) === before) return [before, between]
  }
}

/** The text or the JSON as ip has it. */
function withoutOurs(text: string): string {
  return text
    .replace(/\\ {4}vethd pair .*/g, '')
    .replace(/\n {4}vethd pair .*\n( {4}vethd drops .*\n( {4}veth [RT]X:.*\n.*\n){2})?/, '\n')
    .replace(/,\s*"vethd":\s*\{([^{}]|\{([^{}]|\{[^{}]*\})*\})*\}/, '')
}

t.test('a device is shown as ip shows it, byte for byte', { skip }, async (t) => {
  const rig = await joinRig(t)
  const { topology, host, must } = rig
  const other = await topology.namespace('t')
  await must('link add veth1 type veth peer name veth2')
  await t.test('as it was made', (t) => compare(t, rig, 'veth1', '', OPTIONS))

  await must('link set veth1 up')
  await t.test('up without a carrier', (t) => compare(t, rig, 'veth1'))

  await must('link set veth2 up txqueuelen 100 mtu 1400')
  await host.do('ip link set veth2 alias a\u00a0name')
  await host.do('ip link property add dev veth2 altname a-name-longer-than-15-bytes')
  await t.test('up, with an alias and another name', (t) => compare(t, rig, 'veth2'))

  await host.do(['python3', '-c', FLOOD])
  await t.test('with counters above a thousand', (t) => compare(t, rig, 'veth1', '', COUNTING))

  await must('link add veth3 numtxqueues 2 numrxqueues 2 type veth peer name veth4')
  await t.test('with several queues', (t) => compare(t, rig, 'veth3'))

  await must(`link set veth4 netns ${other.name}`)
  await t.test('in another namespace', (t) => compare(t, rig, 'veth4', `-n ${other.name}`))

  await host.do('ip link add br0 type bridge')
  await must('link set veth1 master br0')
  // of a bridge's port, -d adds what the bridge's driver says: that is not shown
  const basic = (await host.do('ip -s link show veth1')).trimEnd()
  t.equal(withoutOurs(await must('-s link show veth1')).trimEnd(), basic, 'in a bridge')
})

t.test('what only vethd can say is one member, and one line', { skip }, async (t) => {
  const { topology, must, host } = await joinRig(t)
  const other = await topology.namespace('t')
  await must(`link add veth1 netns ${other.name} type veth checksum verify peer name veth2`)
  const [link] = JSON.parse(await must('-j link show veth1'))
  const { netns_inode, pair, ...vethd } = link.vethd
  const peer = JSON.parse(await host.do('ip -j link show veth2'))[0].ifindex
  const here = Number(/\d+/.exec(await host.do('readlink /proc/self/ns/net')))
  t.same(vethd, {
    side: 'a',
    peer: 'veth2',
    peer_ifindex: peer,
    peer_netns: host.name,
    peer_netns_inode: here,
    netns: other.name,
    checksum: 'verify',
    gro_flush_us: 0,
  })
  t.match(JSON.parse(await must(`-j stats ${pair}/a`))[0], { peer: 'veth2', peer_ifindex: peer, peer_netns: host.name })
  t.match(
    await must('-d link show veth1'),
    ` peer veth2 peer-ifindex ${peer} peer-netns ${host.name} checksum verify\n`,
  )
  t.equal(`net:[${netns_inode}]`, (await other.do('readlink /proc/self/ns/net')).trim())
  t.match(await must('link show veth1'), `\n    vethd pair ${pair}/a netns ${other.name} peer veth2 checksum verify\n`)
  t.match(await must('link show veth2'), `\n    vethd pair ${pair}/b netns ${host.name} peer veth1 checksum verify\n`)
})

t.test('all devices are shown, ours first, and with -n those of one namespace', { skip }, async (t) => {
  const { topology, must } = await joinRig(t)
  const other = await topology.namespace('t')
  await must('link add veth1 type veth peer name veth2')
  await must(`link add veth3 netns ${other.name} type veth peer name veth4`)
  const names = async (words: string) => JSON.parse(await must(words)).map(({ ifname }: { ifname: string }) => ifname)
  t.same(await names('-j link'), ['veth2', 'veth1', 'veth4', 'veth3'], 'by index, as ip has them')
  t.same(await names(`-n ${other.name} -j link show`), ['veth3'])
  t.same(await names('-j l ls veth1'), ['veth1'], 'abbreviated')
})

t.test('the filters of link show let through what those of ip do', { skip }, async (t) => {
  const { topology, must, host, inProcess } = await joinRig(t)
  const other = await topology.namespace('t')
  for (const line of ['veth1 type veth peer name veth2', `veth3 type veth peer name veth4 netns ${other.name}`])
    await must(`link add ${line}`)
  await host.do(['sh', '-c', 'ip link add br0 type bridge; ip link set veth1 master br0; ip link set veth3 group 5 up'])
  await other.do(['sh', '-c', 'ip link add br0 type bridge; ip link set veth4 master br0'])
  const names = (json: string) =>
    JSON.parse(json).flatMap(({ ifname }: { ifname?: string }) => (ifname?.startsWith('veth') ? [ifname] : []))
  const filters = ['up', 'master br0', 'nomaster', 'group 5', 'group default', 'type tun', 'type bridge_slave']
  const combined = ['up group 5', 'type tun master br0', 'master br0 up', 'master br0 veth1', 'up dev veth1']
  const overridden = ['nomaster master br0', 'type bridge type tun', 'type bridge', 'type none_slave', 'up up veth3']
  for (const words of [...filters, ...combined, ...overridden, 'group 5 group default']) {
    const expected = names(await host.do(`ip -j link show ${words}`))
    t.same(names((await inProcess(`-j link show ${words}`)).stdout), expected, words)
  }
  t.same(names(await must('-j link show type veth')), ['veth2', 'veth1', 'veth3', 'veth4'], 'an end is a veth, too')
  t.same(names(await must('-j link show type veth master br0')), ['veth1'], 'a bridge is one of this namespace')
})

t.test('nothing to show is nothing, and an empty list', { skip }, async (t) => {
  const { must } = await joinRig(t)
  t.equal(await must('link show'), '')
  t.equal(await must('-j link show'), '[]\n')
})

t.test('stats have the counters of the kernel and of vethd', { skip }, async (t) => {
  const { must, host } = await joinRig(t)
  await must('link add veth1 type veth peer name veth2')
  const [stats] = JSON.parse(await must('stats veth1 -j'))
  t.match(stats, { side: 'a', ifname: 'veth1', peer: 'veth2', netns: host.name, checksum: 'offload' })
  t.match(stats.kernel, { rx: { packets: 0, crc_errors: 0 }, tx: { bytes: 0, carrier_errors: 0 } })
  t.match(stats.vethd, {
    read: { packets: 0 },
    written: { bytes: 0 },
    drops: { too_long: 0, tap_ring_full: 0 },
    classes: { host: 0 },
  })
  t.match(stats.veth, { rx: { packets: 0, bytes: 0, dropped: 0 }, tx: { packets: 0, bytes: 0, dropped: 0 } })
  t.equal(JSON.parse(await must('-j stats')).length, 2, 'of every device')
  t.match(await must('stats veth1'), /^veth1: pair \d+\/a .*\n +packets +bytes +dropped +errors\n {4}kernel rx/)
})

t.test('stats --watch prints again each second until SIGINT', { skip }, async (t) => {
  const { must, host, daemon } = await joinRig(t)
  await must('link add veth1 type veth peer name veth2')
  const watch = host.start([process.execPath, VETHCTL, '--socket', daemon.socket, 'stats', 'veth1', '--watch'])
  await watch.line(/^veth1: (.|\n)*^veth1: /m)
  watch.signal('SIGINT')
  t.equal((await watch.exit(1000)).code, 0)
})

t.test('doctor says which engine works and why, of the daemon that runs', { skip }, async (t) => {
  const { must, daemon } = await startRig(t, { engine: 'poll' })
  const text = await must('doctor')
  t.match(text, `pid ${daemon.process.pid}`)
  t.match(text, /^engine +poll: /m)
  t.match(text, /^offloads +.*CSUM/m)
  t.match(text, /^ok +CAP_NET_ADMIN/m)
  const report = JSON.parse(await must('doctor -j'))
  t.match(report, { engine: { name: 'poll', asked: 'poll' }, pairs: 0, daemon: { version: /^\d/ } })
  t.ok(report.checks.every(({ ok, required }: { ok: boolean; required: boolean }) => ok || !required))
})
