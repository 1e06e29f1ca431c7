/**
 * The daemon's beginning and end: who may have the socket, what is said when something is missing, what the service
 * manager is told, and that nothing is left.
 */
import { cpSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { until } from '../device/harness/processes.js'
import { Topology } from '../device/harness/topology.js'
import { missing, run, startRig, startVethd, temporaryFolder, VETHCTL, VETHD } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')
const NOBODY = 65534

t.test('a second daemon on the same socket is refused, and the first works on', { skip }, async (t) => {
  const { topology, host, daemon, must } = await startRig(t)
  const second = startVethd(topology, ['--socket', daemon.socket, '--pair', 'x1,x2'], host.argv([]))
  const { code, stderr, stdout } = await second.exit(5000)
  t.equal(code, 1)
  t.equal(stderr, `vethd: another vethd answers on ${daemon.socket}: stop it, or name another path with --socket\n`)
  t.equal(stdout, '')
  t.same(await host.devices(), [], 'it made nothing')
  await must('link add veth1 type veth')
})

t.test('of two daemons that start at once on one stale socket, one wins', { skip }, async (t) => {
  const { topology, host, daemon } = await startRig(t)
  daemon.process.signal('SIGKILL')
  await daemon.process.exit()
  t.ok(existsSync(daemon.socket), 'a killed daemon leaves its socket')
  const both = [1, 2].map(() => startVethd(topology, ['--socket', daemon.socket], host.argv([])))
  const first = await Promise.any(both.map((vethd) => vethd.line(/"msg":"ready"/, 10_000).then(() => vethd)))
  const other = both.find((vethd) => vethd !== first)!
  const { code, stderr } = await other.exit(10_000)
  t.equal(code, 1)
  t.match(stderr, /another vethd answers on/)
  t.equal((await daemon.vethctl('link show')).code, 0, 'the winner answers')
  t.same(readdirSync(dirname(daemon.socket)), ['control.sock'])
  first.signal('SIGTERM')
  t.equal((await first.exit(1000)).code, 0)
  t.notOk(existsSync(daemon.socket))
})

t.test('SIGTERM and SIGINT remove what it made, and its socket', { skip }, async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { host, daemon, must } = await startRig(t, { args: ['--pair', 'veth1,veth2'] })
    await must('link add type veth')
    t.equal((await host.devices()).length, 4)
    const { code, stderr } = await daemon.stop(signal)
    t.same([code, stderr], [0, ''], signal)
    t.same(await host.devices(), [])
    t.notOk(existsSync(daemon.socket))
  }
})

t.test('--pair opens pairs before it is ready, and ready says how it runs', { skip }, async (t) => {
  const { host, daemon } = await startRig(t, { args: ['--pair', 'veth1,veth2', '--pair', 'veth3,veth4'] })
  t.same((await host.devices()).sort(), ['veth1', 'veth2', 'veth3', 'veth4'])
  t.match(
    daemon.log.find(({ msg }) => msg === 'ready'),
    { socket: daemon.socket, engine: String, reason: String, pairs: 2 },
  )
})

t.test('a pair that cannot be opened at the start ends it, and nothing is left', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('h')
  const socket = join(await temporaryFolder(topology), 'control.sock')
  await host.do('ip link add veth3 type bridge')
  const vethd = startVethd(
    topology,
    ['--socket', socket, '--pair', 'veth1,veth2', '--pair', 'veth3,veth4'],
    host.argv([]),
  )
  const { code, stderr } = await vethd.exit(10_000)
  t.equal(code, 2)
  t.match(stderr, /^vethd: .*"veth3".*\n$/)
  t.same(await host.devices(), ['veth3'])
  t.notOk(existsSync(socket))
})

t.test('the socket is for root alone, or for the group vethd where there is one', { skip }, async (t) => {
  const { daemon } = await startRig(t)
  const { mode, uid, gid } = statSync(daemon.socket)
  t.equal(uid, 0)
  t.equal(mode & 0o777, gid === 0 ? 0o600 : 0o660)
})

t.test('without root vethd says what it needs, and leaves nothing', { skip: skip || missing('setpriv') }, async (t) => {
  const topology = Topology.of(t)
  const folder = await temporaryFolder(topology)
  const launcher = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs']
  const { code, stderr } = await startVethd(topology, ['--socket', join(folder, 'run/s')], launcher).exit(10_000)
  t.equal(code, 2)
  t.match(stderr, /^vethd: .*CAP_SYS_ADMIN.*root.*\n$/)
  t.same(readdirSync(folder), [])
})

t.test(
  'without CAP_NET_BROADCAST vethd looks after its devices by itself',
  { skip: skip || missing('setpriv') },
  async (t) => {
    const launcher = ['setpriv', '--bounding-set=-net_broadcast', '--inh-caps=-net_broadcast']
    const { topology, host, daemon, must } = await startRig(t, { launcher })
    const other = await topology.namespace('other')
    t.match(daemon.log.find(({ msg }) => /CAP_NET_BROADCAST is missing/.test(msg))?.msg, /up to 250 ms late/)
    t.match(
      (await run([...launcher, process.execPath, VETHCTL, '--socket', daemon.socket, 'doctor'])).stdout,
      /^without +CAP_NET_BROADCAST +missing: .*250 ms/m,
    )

    await must(['link', 'add', 'v1', 'type', 'veth', 'peer', 'name', 'v2', 'netns', other.name])
    await host.do('ip link set v1 up')
    await other.do('ip link set v2 name w2 up mtu 1300')
    const state = async (ns: typeof host, dev: string) => JSON.parse(await ns.do(`ip -j link show ${dev}`))[0].operstate
    await until('the carrier', async () => (await state(host, 'v1')) === 'UP' && (await state(other, 'w2')) === 'UP')
    await must(['-n', other.name, 'link', 'show', 'w2'])
    await host.do('ip link del v1')
    await until('the peer to go', async () => !(await other.has('w2')))
  },
)

t.test('without /dev/net/tun vethd says how to get it', { skip: skip || missing('unshare') }, async (t) => {
  const topology = Topology.of(t)
  const folder = await temporaryFolder(topology)
  const hide = 'mount --bind /dev/null /dev/net/tun && exec "$0" "$@"'
  const launcher = ['unshare', '-m', 'sh', '-c', hide]
  const { code, stderr } = await startVethd(topology, ['--socket', join(folder, 'run/s')], launcher).exit(10_000)
  t.equal(code, 2)
  t.match(stderr, /^vethd: .*\/dev\/net\/tun.*\n$/)
  t.same(readdirSync(folder), [])

  const doctor = await run([...launcher, process.execPath, VETHCTL, '--socket', join(folder, 's'), 'doctor'])
  t.equal(doctor.code, 1, 'and doctor fails')
  t.match(doctor.stdout, /^MISSING +\/dev\/net\/tun +not the TUN\/TAP device.*mknod/m)
})

t.test('vethctl without a daemon says which socket, and how to start one', { skip }, async (t) => {
  const topology = Topology.of(t)
  const socket = join(await temporaryFolder(topology), 'control.sock')
  for (const words of ['link show', 'link add type veth', 'stats', 'monitor']) {
    const { code, stdout, stderr } = await run([process.execPath, VETHCTL, '--socket', socket, ...words.split(' ')])
    t.same([code, stdout], [1, ''], words)
    t.match(stderr, `vethctl: no vethd answers on ${socket}: start it with "sudo npm start"`)
  }
  const { code, stdout } = await run([process.execPath, VETHCTL, '--socket', socket, 'doctor'])
  t.equal(code, 0, 'doctor looks by itself')
  t.match(stdout, /^vethd +no answer: no vethd answers.*\n\nok +\/dev\/net\/tun/)
})

t.test('who may not use the socket is told who may', { skip: skip || missing('setpriv') }, async (t) => {
  const { topology, daemon } = await startRig(t)
  // nobody may not read every clone: vethctl is copied to where it may, and needs nothing else
  const folder = await temporaryFolder(topology)
  const dist = join(dirname(VETHD), '..')
  cpSync(join(dist, 'src'), join(folder, 'dist/src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  await run(['chmod', '-R', 'a+rX', folder, dirname(daemon.socket)])
  const nobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath]
  const vethctl = (...words: string[]) =>
    run([...nobody, join(folder, 'dist/src/cli/main.js'), '--socket', daemon.socket, ...words])
  const change = await vethctl('link', 'add', 'type', 'veth')
  t.equal(change.code, 2)
  t.match(change.stderr, /^RTNETLINK answers: Operation not permitted\nvethctl: only root .*sudo\n$/)
  const look = await vethctl('link', 'show')
  t.equal(look.code, 1)
  t.match(look.stderr, /^vethctl: only root .*sudo\n$/)
})

t.test('a wrong command line of vethd is one line and exit code 255', { skip }, async (t) => {
  for (const [words, says] of [
    ['--engine foo', /engine/],
    ['--pair veth1', /DEV,PEER/],
    ['--foo', /foo/],
  ] as const) {
    const { code, stderr } = await run([process.execPath, VETHD, ...words.split(' ')])
    t.equal(code, 255, words)
    t.match(stderr, /^vethd: .*\n$/)
    t.match(stderr, says)
  }
})

t.test(
  'the service manager is told when it is ready and when it stops',
  { skip: skip || missing('python3') },
  async (t) => {
    const topology = Topology.of(t)
    const host = await topology.namespace('h')
    const folder = await temporaryFolder(topology)
    const path = join(folder, 'notify')
    const receiver = topology.start([
      'python3',
      '-uc',
      `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(path)})
print("bound")
while True: print(repr(s.recv(4096)))`,
    ])
    await receiver.line(/bound/)
    const env = { ...process.env, NOTIFY_SOCKET: path }
    const vethd = startVethd(topology, ['--socket', join(folder, 's'), '--pair', 'veth1,veth2'], host.argv([]), env)
    await receiver.line(/READY=1\\nSTATUS=(uring|poll) engine/, 10_000)
    t.same((await host.devices()).sort(), ['veth1', 'veth2'], 'when it is ready, its pairs are there')
    vethd.signal('SIGTERM')
    await receiver.line(/STOPPING=1/, 1000)
    t.equal((await vethd.exit(1000)).code, 0)
  },
)

t.test('in the journal each line begins with its priority', { skip }, async (t) => {
  const topology = Topology.of(t)
  const folder = await temporaryFolder(topology)
  // sh tells the daemon of the stream that its stdout really is, as systemd does
  const tell = 'exec 3>&1; JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/3) exec "$0" "$@"'
  const vethd = startVethd(topology, ['--socket', join(folder, 's')], ['sh', '-c', tell])
  await vethd.line(/^<6>\{.*"msg":"ready"/m, 10_000)
  vethd.signal('SIGINT')
  t.equal((await vethd.exit(1000)).code, 0)
})
