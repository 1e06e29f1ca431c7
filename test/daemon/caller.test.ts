/**
 * Which network namespace a caller means: it names one as it sees it, from a mount namespace, root directory or pid
 * namespace of its own, where the daemon would find another one under the same name.
 *
 *     namespace h      the daemon                     /run/netns/NAME as the machine has it
 *     namespace x      kept by a pair, 1/a and 1/b    /run/netns/NAME of the machine: the wrong one
 *     namespace y      kept by a pair, 2/a and 2/b    /run/netns/NAME of the caller, who lives in it: the right one
 *
 * Neighbour: caller.py, which asks without vethctl.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import type { Process } from '../device/harness/processes.js'
import type { Namespace, Topology } from '../device/harness/topology.js'
import { missing, type Rig, startRig, temporaryFolder, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'python3', 'unshare', 'nsenter', 'chroot', 'prlimit')

const CALLER = join(ROOT, 'test/daemon/caller.py')
const FORBID = join(ROOT, 'test/device/harness/forbid.py')

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what a server answered is looked at, not trusted
  body: any
}

/** The other namespaces, a folder for files, and a shell's words that give a caller its own NAME. */
interface World extends Rig {
  x: Namespace
  y: Namespace
  folder: string
  /** Mounts, in a mount namespace of the shell's own, `y` as /run/netns/NAME-of-x. */
  disguise: string
}

async function startWorld(t: Test, options: Parameters<typeof startRig>[1] = {}): Promise<World> {
  const rig = await startRig(t, options)
  const { topology, daemon } = rig
  const [x, y] = [await topology.namespace('x'), await topology.namespace('y')]
  const pairs = [[x, 'x'] as const, [y, 'y'] as const].map(
    ([{ name }, dev]) => `link add ${dev}1 netns ${name} type veth peer ${dev}2 netns ${name}`,
  )
  await daemon.must('-batch -', pairs.join('\n'))
  const folder = await temporaryFolder(topology)
  const disguise =
    `touch ${folder}/y && mount --bind /run/netns/${y.name} ${folder}/y && mount -t tmpfs none /run/netns && ` +
    `touch /run/netns/${x.name} && mount --bind ${folder}/y /run/netns/${x.name}`
  return { ...rig, x, y, folder, disguise }
}

const inodeOf = ({ name }: Namespace) => statSync(`/run/netns/${name}`).ino

/** The words of a shell with a mount namespace of its own, in the network namespace `y`. */
const inOwnMounts = ({ y }: World, script: string) => y.argv(['unshare', '-m', 'sh', '-c', script])

/** A caller.py behind the words that start it. */
class RawCaller {
  readonly process: Process
  #answers = 0

  constructor(topology: Topology, argv: string[]) {
    this.process = topology.start(argv)
  }

  async ask(line: string): Promise<Answer> {
    this.process.feed(`${line}\n`, true)
    const [, answer] = await this.process.line(new RegExp(`^(?:.*\n){${this.#answers++}}(.*)\n`), 20_000)
    return JSON.parse(answer)
  }

  /** The namespaces of the devices that `netns=SPEC` shows, or the refusal. */
  async lookIn(spec: string): Promise<unknown> {
    const { status, body } = await this.ask(`GET /v1/devices?netns=${encodeURIComponent(spec)}`)
    if (status !== 200) return { status, code: body.code, detail: body.detail }
    return [...new Set(body.devices.map((device: { vethd: { netns_inode: number } }) => device.vethd.netns_inode))]
  }
}

t.test('namespaces as a caller means them', { skip }, async (t) => {
  const world = await startWorld(t)
  await t.test('vethctl means what ip would where it runs', (t) => byVethctl(t, world))
  await t.test('words of another client are looked up as it sees them', (t) => byWords(t, world))
})

async function byVethctl(t: Test, world: World): Promise<void> {
  const { topology, x, y, daemon, folder, disguise } = world
  const sleeper = y.start('sleep 60')
  symlinkSync('/proc/self/ns/net', `${folder}/link`)
  const specs = [
    x.name,
    `/var/run/netns/${x.name}`,
    `/run/netns/${x.name}`,
    `./${x.name}`,
    '/proc/self/ns/net',
    `${folder}/link`,
    '/dev/fd/7',
    String(sleeper.pid),
    `/proc/${sleeper.pid}/ns/net`,
  ]
  // each is moved away before, by the pid of a process in namespace h
  const lines = specs.flatMap((spec) => [
    `link set 1/a netns ${daemon.process.pid}`,
    `link set 1/a netns ${spec}`,
    'link show 1/a',
  ])
  const vethctl = `exec ${process.execPath} ${VETHCTL} --socket ${daemon.socket}`

  await t.test('after netns, in a batch', async (t) => {
    const script = `${disguise} && cd /run/netns && ${vethctl} -j -batch - 7</run/netns/${x.name}`
    const batch = topology.start(inOwnMounts(world, script))
    batch.feed(lines.join('\n'))
    const { code, stdout, stderr } = await batch.exit()
    t.same([code, stderr], [0, ''])
    const found = stdout.trim().split('\n')
    for (const [at, spec] of specs.entries()) t.equal(JSON.parse(found[at])[0].vethd.netns_inode, inodeOf(y), spec)
  })

  await t.test('after -n, and for a new pair', async (t) => {
    const script = `${disguise} && ${vethctl} -n /var/run/netns/${x.name} link add w1 type veth peer w2`
    await topology.start(inOwnMounts(world, script)).exit()
    t.same((await y.devices()).filter((name) => name.startsWith('w')).sort(), ['w1', 'w2'])
  })

  await t.test('by its own pids, and never by those of another /proc', async (t) => {
    const here = `${process.execPath} ${VETHCTL} --socket ${daemon.socket} link set 1/a netns 1`
    const run = (...options: string[]) =>
      topology.start(y.argv(['unshare', '-p', '-f', ...options, 'sh', '-c', `${here}; exit $?`])).exit()
    await daemon.must(`link set 1/a netns ${daemon.process.pid}`)
    t.match(await run('--mount-proc'), { code: 0, stderr: '' })
    t.ok(await y.has('x1'))
    const stale = await run()
    t.equal(stale.code, 255)
    t.match(stale.stderr, /^vethctl: \/proc belongs to another pid namespace.*unshare --mount-proc/)
  })

  await t.test('under nsenter a new pair appears where it is', async (t) => {
    const words = ['nsenter', `--net=/run/netns/${y.name}`, ...daemon.words('link add v1 type veth peer v2')]
    t.match(await topology.start(words).exit(), { code: 0, stderr: '' })
    t.same((await y.devices()).filter((name) => name.startsWith('v') && name.length === 2).sort(), ['v1', 'v2'])
  })
}

async function byWords(t: Test, world: World): Promise<void> {
  const { topology, x, y, daemon, folder, disguise } = world
  const sleeper = y.start('sleep 60')
  const [right, python] = [[inodeOf(y)], `exec python3 ${CALLER} ${daemon.socket}`]
  symlinkSync(`/var/run/netns/${x.name}`, `${folder}/named`)
  const good = [
    x.name,
    `/var/run/netns/${x.name}`,
    `/run/netns/${x.name}`,
    `//run/../var/run/netns/${x.name}`,
    '/proc/self/ns/net',
    '/proc/thread-self/ns/net',
    String(sleeper.pid),
    `/proc/${sleeper.pid}/ns/net`,
    `/proc/${sleeper.pid}/task/${sleeper.pid}/ns/net`,
    `${folder}/named`,
    'fd:7',
    'fd:7=some name',
  ]
  const magic = /leads through a link of \/proc.*vethctl/
  const bad: [spec: string, detail: RegExp][] = [
    [`${folder}/link`, magic],
    ['/dev/fd/7', magic],
    ['/proc/self/fd/7', magic],
    [`/proc/${sleeper.pid}/root/run/netns/${x.name}`, magic],
    [`run/netns/${x.name}`, /must begin with "\/"/],
    ['/proc/self/ns/mnt', magic],
    ['/proc/999999999/ns/net', /there is no network namespace/],
    ['999999999', /there is no process 999999999/],
    [y.name, /there is no network namespace/],
    ['a\0b', /there is no network namespace/],
    ['x'.repeat(5000), /there is no network namespace/],
    ['/etc/passwd', /is a file, but not a network namespace/],
    ['fd:0', /"fd:0" is a file, but not a network namespace/],
    ['fd:0=t1', /"t1" is a file, but not a network namespace/],
    ['fd:99', /no open file descriptor 99/],
    ['fd:2147483648', /there is no network namespace/],
  ]

  await t.test('from a mount namespace of its own', async (t) => {
    const caller = new RawCaller(topology, inOwnMounts(world, `${disguise} && ${python} 7</run/netns/${x.name}`))
    for (const spec of good) t.same(await caller.lookIn(spec), right, spec)
    for (const [spec, detail] of bad)
      t.match(
        await caller.lookIn(spec),
        { status: 400, code: 'NETNS_INVALID', detail },
        JSON.stringify(spec.slice(0, 40)),
      )

    await daemon.must(`link set 1/a netns ${daemon.process.pid}`)
    const moved = await caller.ask(`PATCH /v1/devices?dev=1/a {"netns":"/var/run/netns/${x.name}"}`)
    t.match(moved, { status: 200, body: { vethd: { netns_inode: inodeOf(y) } } })
    const made = await caller.ask(`POST /v1/pairs {"dev":{"netns":"${x.name}"},"peer":{"netns":"/proc/self/ns/net"}}`)
    t.match(made, {
      status: 201,
      body: { a: { vethd: { netns_inode: right[0] } }, b: { vethd: { netns_inode: right[0] } } },
    })
  })

  await t.test('from a root directory of its own, which links do not leave', async (t) => {
    const root = join(folder, 'root')
    // the machine's /run/netns/NAME is the wrong one; in the new root it is y, and the link leads to it
    const script =
      `mkdir ${root} && mount --rbind / ${root} && mount -t tmpfs none ${root}/run/netns && ` +
      `touch ${root}/run/netns/${x.name} && mount --bind /run/netns/${y.name} ${root}/run/netns/${x.name} && ` +
      `exec chroot ${root} python3 ${CALLER} ${daemon.socket} 7<${root}/run/netns/${x.name}`
    const caller = new RawCaller(topology, inOwnMounts(world, script))
    for (const spec of [...good, `/../../run/netns/${x.name}`]) t.same(await caller.lookIn(spec), right, spec)
    t.match(await caller.lookIn(y.name), { status: 400 })
  })

  await t.test('from a pid namespace of its own', async (t) => {
    const words = ['unshare', '-p', '-f', '--mount-proc', 'python3', CALLER, daemon.socket]
    const caller = new RawCaller(topology, y.argv(words))
    for (const spec of ['1', '/proc/1/ns/net', '/proc/self/ns/net']) t.same(await caller.lookIn(spec), right, spec)
    t.match(await caller.lookIn(String(sleeper.pid)), { status: 400, detail: /no process/ })
  })

  await t.test('and nothing of what it names is opened before it is known to be a namespace', async (t) => {
    const files = ['fifo', 'device', 'file'].map((name) => join(folder, name))
    const [fifo, device, file] = files
    execFileSync('mkfifo', [fifo])
    execFileSync('mknod', [device, 'c', '1', '3'])
    execFileSync('touch', [file])
    const writer = topology.start(['sh', '-c', `echo begin; echo waited > ${fifo}`])
    await writer.line(/begin/)
    const caller = new RawCaller(topology, ['python3', CALLER, daemon.socket])
    for (const path of [device, file]) await caller.ask(`watch ${path}`)
    const isFile = { status: 400, code: 'NETNS_INVALID', detail: /is a file, but not a network namespace/ }
    for (const path of files) t.match(await caller.lookIn(path), isFile, path)
    t.equal(await caller.ask('opened'), 0)
    for (const path of [fifo, device]) {
      const { code, stderr } = await daemon.vethctl(`link set 1/a netns ${path}`)
      t.match([code, stderr], [2, /^RTNETLINK answers: Invalid argument\nvethctl: ".*" is a file, but/], path)
    }
    t.equal(await caller.ask('opened'), 0, 'nor by vethctl')
    t.equal(
      execFileSync('cat', [fifo], { encoding: 'utf8', timeout: 5000 }),
      'waited\n',
      'the writer of the FIFO has waited on',
    )
  })

  await t.test('and leaves no file open', async (t) => {
    const open = () => readdirSync(`/proc/${daemon.process.pid}/fd`).length
    const caller = new RawCaller(topology, ['sh', '-c', `${python} 7</run/netns/${y.name}`])
    await caller.ask('GET /v1/version')
    const before = open()
    for (const [spec] of [...bad, ['fd:7'], [y.name], [String(sleeper.pid)], ['/proc/self/ns/net']])
      await caller.lookIn(spec)
    await caller.ask('GET /v1/devices')
    t.equal(open(), before)
  })

  await t.test('and a daemon out of files says so', async (t) => {
    const caller = new RawCaller(topology, ['sh', '-c', `${python} 7</run/netns/${y.name}`])
    await caller.ask('GET /v1/version')
    const limit = (nofile: string) =>
      execFileSync('prlimit', ['--pid', String(daemon.process.pid), `--nofile=${nofile}:`])
    limit('3')
    t.teardown(() => limit('1024'))
    for (const spec of [y.name, `/run/netns/${y.name}`, '1', '/proc/self/ns/net', 'fd:7'])
      t.match(await caller.lookIn(spec), { status: 503, code: 'LIMIT_REACHED', detail: /LimitNOFILE/ }, spec)
    t.match(await caller.ask('GET /v1/devices'), { status: 503, body: { code: 'LIMIT_REACHED' } }, 'its own')
  })
}

t.test(
  'where openat2 and pidfd_getfd are forbidden vethctl works, and words are refused clearly',
  { skip },
  async (t) => {
    const launcher = ['python3', FORBID, 'openat2', 'python3', FORBID, 'pidfd_getfd']
    const { topology, host, x, y, daemon } = await startWorld(t, { launcher })
    const caller = new RawCaller(topology, [
      'sh',
      '-c',
      `exec python3 ${CALLER} ${daemon.socket} 7</run/netns/${y.name}`,
    ])
    t.same(await caller.lookIn('fd:7'), [inodeOf(y)])
    t.same(await caller.lookIn('/proc/self/ns/net'), [])
    for (const spec of [x.name, `/run/netns/${x.name}`, '1'])
      t.match(
        await caller.lookIn(spec),
        { status: 403, code: 'NOT_PERMITTED', detail: /openat2.*seccomp.*vethctl/ },
        spec,
      )
    t.match(await caller.lookIn('fd:99'), { status: 400, detail: /no open file descriptor 99/ })
    t.match(await caller.lookIn('fd:0'), { status: 400, detail: /not a network namespace/ })
    await daemon.must(`link set 1/a netns ${y.name}`)
    t.ok(await y.has('x1'))
    t.same(await host.devices(), [])
  },
)

t.test('a caller of a pid namespace that the daemon cannot see is served by its files', { skip }, async (t) => {
  const launcher = ['unshare', '-p', '-f', '--kill-child', '--mount-proc']
  const { topology, y, daemon } = await startWorld(t, { launcher })
  const caller = new RawCaller(
    topology,
    y.argv(['sh', '-c', `exec python3 ${CALLER} ${daemon.socket} 7</run/netns/${y.name}`]),
  )
  for (const spec of ['fd:7', '/proc/self/ns/net']) t.same(await caller.lookIn(spec), [inodeOf(y)], spec)
  const unseen = { status: 400, code: 'NETNS_INVALID', detail: /another pid namespace: let vethctl open/ }
  for (const spec of [y.name, '1', `/run/netns/${y.name}`]) t.match(await caller.lookIn(spec), unseen, spec)
  t.match(await caller.ask('GET /v1/devices'), { status: 200 })
  t.match(JSON.parse(await daemon.must(`-n ${y.name} -j link show`)), [{ vethd: { netns_inode: inodeOf(y) } }, {}])
})
