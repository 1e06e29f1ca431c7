/**
 * `vethctl ping` on a pair: veth1 in the host's namespace, veth2 in another one. Each way in which an echo can be lost is
 * made with plain ip, tc, nft and sysctl, and has to be found, with the command that mends it.
 *
 *     host:  veth1 192.0.2.1/24 2001:db8::1/64  ──  far:  veth2 192.0.2.2/24 2001:db8::2/64
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { until } from '../device/harness/processes.js'
import type { Namespace } from '../device/harness/topology.js'
import { missing, type Rig, run, split, startRig, temporaryFolder, VETHCTL } from './harness.js'

t.setTimeout(180_000)
const rawSocket = await import('raw-socket').catch(() => undefined)
const skip =
  missing('ip', 'ping', 'nsenter', 'nft', 'tc', 'unshare', 'setpriv') ||
  (rawSocket === undefined && 'raw-socket, an optional dependency, is not installed')

interface World extends Rig {
  far: Namespace
  /** `vethctl ping -c 1 …` in the host's namespace. */
  ping(words: string): ReturnType<Rig['vethctl']>
}

async function startWorld(t: Test): Promise<World> {
  const rig = await startRig(t)
  const { host, topology } = rig
  const far = await topology.namespace('f')
  await rig.must(`link add veth1 type veth peer name veth2 netns ${far.name}`)
  await address(host, 'veth1', 1)
  await address(far, 'veth2', 2)
  await until('the carrier', async () => (await host.do('ip link show veth1')).includes('LOWER_UP'))
  return { ...rig, far, ping: (words) => rig.vethctl(`ping -c 1 ${words}`) }
}

async function address(ns: Namespace, dev: string, number: number): Promise<void> {
  await ns.do(`ip address replace 192.0.2.${number}/24 dev ${dev}`)
  await ns.do(`ip link set ${dev} up`)
  await ns.do(`ip address replace 2001:db8::${number}/64 dev ${dev} nodad`)
}

t.test('echoes on a pair', { skip }, async (t) => {
  const world = await startWorld(t)
  await t.test('an echo that is answered went through every stage', (t) => answered(t, world))
  await t.test('-n pings from another namespace, by name, pid and file', (t) => fromElsewhere(t, world))
  await t.test('commands are those that can be typed where ping -n was', (t) => asTyped(t, world))
  await t.test('other traffic is counted apart', (t) => besideOthers(t, world))
  await t.test('-j prints an object for each echo', (t) => json(t, world))
  for (const loss of LOSSES) await t.test(loss.name, (t) => lost(t, world, loss))
  await t.test('behind a bridge and in a namespace without a name it claims nothing', (t) => outOfSight(t, world))
  await t.test('without a way through a pair nothing is sent, and the exit code is 2', (t) => refused(t, world))
  await t.test('what changes while it runs is told with the next echo', (t) => changes(t, world))
  await t.test('a pair that is deleted meanwhile is told, too', (t) => pairGone(t, world))
  await t.test('Ctrl-C ends it with the summary', (t) => interrupted(t, world))
  await t.test('without raw-socket one line says how to install it', (t) => withoutRawSocket(t, world))
  await t.test('without the rights for it one line says so', (t) => withoutRights(t, world))
  await t.test('when the daemon ends it ends, with exit code 2', (t) => withoutDaemon(t, world))
})

async function answered(t: Test, { ping, host, far }: World): Promise<void> {
  const stages = (version: string) => `sent veth1 > ring > read > host ${version} > written veth2 > answered`
  const [link] = JSON.parse(await far.do('ip -j -6 address show dev veth2 scope link'))
  const { local } = link.addr_info.find((one: { local?: string }) => one.local !== undefined)
  const linkLocal = `${local}%veth1`
  for (const [to, version] of [
    ['192.0.2.2', 'ipv4'],
    ['2001:DB8:0::2', 'ipv6'],
    [linkLocal, 'ipv6'],
    ['-s 0 192.0.2.2', 'ipv4'],
    ['-s 20000 192.0.2.2', 'ipv4'],
    ['-s 20000 2001:db8::2', 'ipv6'],
  ]) {
    const { code, stdout, stderr } = await ping(to)
    t.same([code, stderr], [0, ''], to)
    const [head, line, ...rest] = stdout.split('\n')
    t.match(head, /^PING \S+ from \S+ through pair 1, veth1 to veth2 \(netns \S+f\): \d+ bytes of data$/)
    t.match(line, new RegExp(`^  1  \\S+ +[0-9.]+ ms  ${stages(version)}( |$)`), to)
    t.match(rest[2], /^1 packets transmitted, 1 received, 0% packet loss, time \d+ms$/)
    t.match(rest[3], /^rtt min\/avg\/max\/mdev = [\d.]+\/[\d.]+\/[\d.]+\/0\.000 ms$/)
  }
  const { stdout } = await host.run('ping -c 2 -i .2 192.0.2.2')
  const ours = await ping('-c 2 -i .2 192.0.2.2')
  const summary = (text: string) => text.slice(text.indexOf('\n--- ')).replaceAll(/\d+\.\d+|\d+ms/g, 'N')
  t.equal(summary(ours.stdout), summary(stdout), "the summary is ping's")
}

async function fromElsewhere(t: Test, { topology, daemon, host, far }: World): Promise<void> {
  const elsewhere = await topology.namespace('e')
  const sleeper = host.start('sleep 1000')
  await until(
    'the process to be in its namespace',
    async () => (await host.do(`ip netns identify ${sleeper.pid}`)) !== '',
  )
  const vethctl = [process.execPath, VETHCTL, '--socket', daemon.socket]
  for (const words of [
    `ping -n ${host.name} -c 1 192.0.2.2`,
    `ping -c1 -n ${sleeper.pid} 192.0.2.2`,
    `ping 192.0.2.2 -n /proc/${sleeper.pid}/ns/net -c 1`,
    `-n ${host.name} ping -c 1 192.0.2.2`,
    `-n ${far.name} ping -n ${host.name} -c 1 192.0.2.2`,
  ]) {
    const { code, stdout, stderr } = await elsewhere.run([...vethctl, ...split(words)])
    t.match({ code, stdout, stderr }, { code: 0, stdout: /> written veth2 > answered/, stderr: /^$/ }, words)
  }
  const back = await elsewhere.run([...vethctl, ...split(`ping -n ${far.name} -c 1 192.0.2.1`)])
  t.match(back.stdout, /sent veth2 > ring > read > host ipv4 > written veth1 > answered/)
  t.match(back.stdout, new RegExp(`through pair 1, veth2 \\(netns ${far.name}\\) to veth1 \\(netns ${host.name}\\): `))
  const unanswered = await elsewhere.run([...vethctl, ...split(`ping -n ${host.name} -c 1 -W .5 192.0.2.9`)])
  const twoLines =
    /\n {2}1 {2}192\.0\.2\.9 {10}- {2}no answer to ARP: .*\n {27}veth2 \(netns \S+\) has 192\.0\.2\.2\/24: ip -n /
  t.match(unanswered, { code: 1, stdout: twoLines }, 'the exit code comes through, too')
}

async function asTyped(t: Test, { host, far, daemon }: World): Promise<void> {
  const ping = async (words: string) => {
    const vethctl = [process.execPath, VETHCTL, '--socket', daemon.socket]
    const { stdout, stderr } = await far.run([
      ...vethctl,
      'ping',
      '-n',
      host.name,
      '-c',
      '1',
      '-W',
      '.5',
      ...split(words),
    ])
    return stdout + stderr
  }
  const there = host.name.replace('.', '\\.')
  const unanswered = await ping('192.0.2.9')
  t.match(unanswered, new RegExp(`^PING .* through pair 1, veth1 \\(netns ${there}\\) to veth2: `))
  t.match(
    unanswered,
    /no answer to ARP: no device at the other end has 192\.0\.2\.9\n +veth2 has 192\.0\.2\.2\/24: ip address\n/,
  )
  await filter(host, 'output')
  t.match(await ping('192.0.2.2'), new RegExp(`a filter forbids it: ip netns exec ${there} nft list ruleset\n`))
  await host.do('nft delete table ip f')
  await host.do('ip link set veth1 down')
  t.match(await ping('192.0.2.2'), new RegExp(`veth1 \\(netns ${there}\\) is down: ip -n ${there} link set veth1 up\n`))
  await address(host, 'veth1', 1)
}

async function besideOthers(t: Test, { host, vethctl }: World): Promise<void> {
  const others = host.start('ping -i .002 192.0.2.2')
  await others.line(/icmp_seq=3 /)
  const { stdout } = await vethctl('ping -c 3 -i .2 192.0.2.2')
  others.signal('SIGINT')
  await others.exit()
  t.match(stdout, /> written veth2 > answered {2}\(other frames: .*\d+ ipv4/)
}

async function json(t: Test, { vethctl }: World): Promise<void> {
  const { code, stdout } = await vethctl('-j ping -c 2 -i 0 192.0.2.2')
  t.equal(code, 0)
  const [first, second, end] = stdout.split('\n')
  t.equal(end, '', 'and nothing else')
  t.match(JSON.parse(first), {
    seq: 1,
    address: '192.0.2.2',
    answered: true,
    from: '192.0.2.2',
    rtt_ms: Number,
    device: 'veth1',
    pair: 1,
    side: 'a',
    peer: 'veth2',
    peer_netns: String,
    steps: ['sent', 'ring', 'read', 'verdict', 'written', 'answered'],
    verdict: 'host ipv4',
    other_frames: Object,
    lost: null,
  })
  t.match(JSON.parse(second), { seq: 2, answered: true })
  const pretty = await vethctl('ping -j -p -c 1 -W .5 192.0.2.9')
  t.equal(pretty.code, 1)
  t.match(pretty.stdout, /^\{\n {4}"seq": 1,\n/)
  t.match(JSON.parse(pretty.stdout), {
    answered: false,
    rtt_ms: null,
    lost: { after: null, reason: 'no_neighbour', certain: true, why: String, advice: String },
  })
}

/** One way to lose an echo: how it is made and undone, and what is said. */
interface Loss {
  name: string
  make(world: World): Promise<unknown>
  undo?(world: World): Promise<unknown>
  ping: string
  reason: string
  /** How many of the stages it passed. */
  passed: number
  /** What is said, from its beginning; FAR stands for the name of the other namespace. */
  why: string
  advice: string
}

const nothing = async () => {}

const LOSSES: Loss[] = [
  {
    name: 'nobody has the IPv4 address',
    make: nothing,
    ping: '192.0.2.9',
    reason: 'no_neighbour',
    passed: 0,
    why: 'no answer to ARP: no device at the other end has 192.0.2.9',
    advice: 'veth2 (netns FAR) has 192.0.2.2/24: ip -n FAR address',
  },
  {
    name: 'nobody has the IPv6 address',
    make: nothing,
    ping: '2001:db8::9',
    reason: 'no_neighbour',
    passed: 0,
    why: 'no answer to neighbour discovery: no device at the other end has 2001:db8::9',
    advice: 'veth2 (netns FAR) has 2001:db8::2/64 fe80:',
  },
  {
    name: 'the other end has the address and does not answer ARP',
    make: async ({ host, far }) => {
      await far.do('ip link set veth2 arp off')
      await host.do('ip neigh flush dev veth1')
    },
    undo: ({ far }) => far.do('ip link set veth2 arp on'),
    ping: '192.0.2.2',
    reason: 'no_neighbour',
    passed: 0,
    why: 'no answer to ARP',
    advice: 'netns FAR has 192.0.2.2 on veth2: arp off, arp_ignore or a filter there',
  },
  {
    name: 'the address at the other end is tentative',
    make: async ({ far }) => {
      await far.sysctl('net.ipv6.conf.veth2.accept_dad', 1)
      await far.sysctl('net.ipv6.conf.veth2.dad_transmits', 100)
      await far.do('ip address add 2001:db8::3/64 dev veth2')
    },
    undo: async ({ far }) => {
      await far.do('ip address del 2001:db8::3/64 dev veth2')
      await far.sysctl('net.ipv6.conf.veth2.accept_dad', 0)
    },
    ping: '2001:db8::3',
    reason: 'no_neighbour',
    passed: 0,
    why: 'no answer to neighbour discovery',
    advice: '2001:db8::3 is tentative on veth2 (netns FAR)',
  },
  {
    name: 'the other end has another MAC address than the neighbour table says',
    make: ({ host }) => host.do('ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:99 dev veth1'),
    undo: ({ host }) => host.do('ip neigh del 192.0.2.2 dev veth1'),
    ping: '192.0.2.2',
    reason: 'otherhost',
    passed: 5,
    why: 'no answer: it was sent to a MAC address that veth2 (netns FAR) does not have',
    advice: 'veth2 has ',
  },
  {
    name: 'the other end is told to ignore echoes',
    make: ({ far }) => far.sysctl('net.ipv4.icmp_echo_ignore_all', 1),
    undo: ({ far }) => far.sysctl('net.ipv4.icmp_echo_ignore_all', 0),
    ping: '192.0.2.2',
    reason: 'no_answer',
    passed: 5,
    why: 'no answer',
    advice: 'netns FAR has 192.0.2.2 and did not answer: icmp_echo_ignore_all',
  },
  {
    name: 'there is no route back',
    make: async ({ host }) => {
      await host.do('ip address add 203.0.113.1/32 dev lo')
      await host.do('ip route add 192.0.2.2/32 dev veth1 src 203.0.113.1')
    },
    undo: ({ host }) => host.do('ip route del 192.0.2.2/32'),
    ping: '192.0.2.2',
    reason: 'no_route_back',
    passed: 5,
    why: 'no answer: netns FAR has no route back to 203.0.113.1 (Network is unreachable)',
    advice: 'ip -n FAR route',
  },
  {
    name: 'the other end does not forward',
    make: async ({ host, far }) => {
      await far.sysctl('net.ipv4.ip_forward', 0)
      await host.do('ip route add 198.51.100.0/24 via 192.0.2.2')
    },
    ping: '198.51.100.1',
    reason: 'no_answer',
    passed: 5,
    why: 'no answer: 198.51.100.1 is not an address of netns FAR',
    advice: 'netns FAR must forward it (sysctl net.ipv4.ip_forward), and 198.51.100.1 needs a route back',
  },
  {
    name: 'the other end answers that there is no way on',
    make: async ({ far }) => {
      await far.sysctl('net.ipv4.ip_forward', 1)
      await far.do('ip route add unreachable 198.51.100.0/24')
    },
    undo: ({ host }) => host.do('ip route del 198.51.100.0/24'),
    ping: '198.51.100.1',
    reason: 'icmp_error',
    passed: 5,
    why: '192.0.2.2 answered: Destination Host Unreachable',
    advice: 'see the routes and filters of 192.0.2.2',
  },
  {
    name: 'the echo is longer than the MTU of the other end, over IPv4',
    make: async ({ host, far }) => {
      await far.do('ip link set veth2 mtu 1400')
      await host.do('ip neigh flush dev veth1')
    },
    ping: '-s 1450 192.0.2.2',
    reason: 'too_long',
    passed: 1,
    why: 'dropped: too_long',
    advice: 'the MTU of veth2 (netns FAR) is 1400: ip -n FAR link set veth2 mtu 1500',
  },
  {
    name: 'and over IPv6, where the sender is told',
    make: nothing,
    undo: ({ far }) => far.do('ip link set veth2 mtu 1500'),
    ping: '-s 1440 2001:db8::2',
    reason: 'too_long',
    passed: 1,
    why: 'dropped: too_long',
    advice: 'the MTU of veth2 (netns FAR) is 1400',
  },
  {
    name: 'the answer is longer than the MTU of this end',
    make: ({ host }) => host.do('ip link set veth1 mtu 1400'),
    undo: ({ host }) => host.do('ip link set veth1 mtu 1500'),
    ping: '-s 1450 192.0.2.2',
    reason: 'too_long',
    passed: 5,
    why: 'answer dropped: too_long',
    advice: 'the MTU of veth1 is 1400: ip link set veth1 mtu 1500',
  },
  {
    name: 'the ring has no room for so many fragments',
    make: ({ host }) => host.do('ip link set veth1 txqueuelen 1'),
    undo: ({ host }) => host.do('ip link set veth1 txqueuelen 256'),
    ping: '-s 60000 192.0.2.2',
    reason: 'tap_ring_full',
    passed: 1,
    why: 'dropped: tap_ring_full',
    advice: 'the ring has room for 1 frames: ip link set veth1 txqueuelen FRAMES',
  },
  {
    name: 'a qdisc keeps it',
    make: ({ host }) => host.do('tc qdisc replace dev veth1 root tbf rate 8bit burst 10 limit 10'),
    undo: ({ host }) => host.do('tc qdisc del dev veth1 root'),
    ping: '192.0.2.2',
    reason: 'not_handed',
    passed: 0,
    why: 'not handed to veth1',
    advice: 'a qdisc or a filter has it: tc -s qdisc show dev veth1',
  },
  {
    name: 'a filter here forbids it',
    make: (world) => filter(world.host, 'output'),
    undo: ({ host }) => host.do('nft delete table ip f'),
    ping: '192.0.2.2',
    reason: 'send_failed',
    passed: 0,
    why: 'not sent: Operation not permitted',
    advice: 'a filter forbids it: nft list ruleset',
  },
  {
    name: 'a filter here drops the answer',
    make: (world) => filter(world.host, 'input'),
    undo: ({ host }) => host.do('nft delete table ip f'),
    ping: '192.0.2.2',
    reason: 'not_received',
    passed: 5,
    why: 'no answer arrived, but frames came back',
    advice: 'a filter or rp_filter may have dropped it: nft list ruleset',
  },
  {
    name: 'the other end is down',
    make: ({ far }) => far.do('ip link set veth2 down'),
    undo: ({ far }) => address(far, 'veth2', 2),
    ping: '192.0.2.2',
    reason: 'no_carrier',
    passed: 1,
    why: 'no carrier: its peer veth2 (netns FAR) is down',
    advice: 'ip -n FAR link set veth2 up',
  },
]

async function filter(ns: Namespace, hook: 'input' | 'output'): Promise<void> {
  await ns.do([
    'nft',
    `add table ip f; add chain ip f c { type filter hook ${hook} priority 0; }; add rule ip f c drop`,
  ])
}

const STAGES = ['sent', 'ring', 'read', 'verdict', 'written']

async function lost(t: Test, world: World, { make, undo, ping, reason, passed, why, advice }: Loss): Promise<void> {
  await make(world)
  const { code, stdout } = await world.ping(`-j -W .5 ${ping}`)
  await undo?.(world)
  t.equal(code, 1)
  const echo = JSON.parse(stdout)
  const there = (text: string) => text.replaceAll('FAR', world.far.name)
  const certain = reason !== 'not_received'
  t.match(echo, { answered: false, steps: STAGES.slice(0, passed), lost: { reason, certain, why: there(why) } }, stdout)
  t.equal(echo.steps.length, passed)
  t.ok(echo.lost.advice.startsWith(there(advice)), echo.lost.advice)
}

async function outOfSight(t: Test, { topology, host, far, ping, must }: World): Promise<void> {
  await far.do('ip link add br0 type bridge')
  await far.do('ip link set br0 up')
  await far.do('ip link set veth2 master br0')
  const bridged = await ping('-W .5 192.0.2.9')
  t.match(
    bridged.stdout,
    /no answer to ARP\n +veth2 \(netns \S+\) is a port of br0: somebody behind that bridge must have 192\.0\.2\.9/,
  )
  await far.do('ip link set veth2 nomaster')

  const unnamed = topology.start(['unshare', '-n', 'sleep', '1000'])
  await until('unshare to be done', () => readFileSync(`/proc/${unnamed.pid}/comm`, 'utf8') === 'sleep\n')
  const there = (words: string) => run(['nsenter', '-n', '-t', String(unnamed.pid), ...split(words)])
  await must(`link add veth3 type veth peer name veth4 netns ${unnamed.pid}`)
  await host.do('ip address add 192.0.3.1/24 dev veth3')
  await host.do('ip link set veth3 up')
  const down = await ping('-W .5 192.0.3.2')
  t.match(
    down.stdout,
    /no carrier: its peer veth4 \(net:\[\d+\]\) is down\n +ip link set veth4 up \(in net:\[\d+\]: lsns -t net\)/,
  )
  await there('ip link set veth4 up')
  const unknown = await ping('-W .5 192.0.3.2')
  t.match(unknown.stdout, /no answer to ARP\n +veth4 \(net:\[\d+\]\) must have 192\.0\.3\.2: ip address \(in net:/)
  await there('ip address add 192.0.3.2/24 dev veth4')
  await host.do('ip neigh flush dev veth3')
  await there('sysctl -qw net.ipv4.icmp_echo_ignore_all=1')
  const silent = await ping('-W .5 192.0.3.2')
  t.match(silent.stdout, /written veth4 > no answer\n +veth4 \(net:\[\d+\]\) took it, and nothing came back from net:/)
  await must('link del veth3')
}

async function refused(t: Test, { host, far, vethctl, ping }: World): Promise<void> {
  const refusals: [words: string, says: RegExp][] = [
    [
      '192.0.2.1',
      /^vethctl: 192\.0\.2\.1 is an address of the namespace that would send it, .* vethctl ping -n NETNS$/,
    ],
    [
      '203.0.113.7',
      /: there is no route to 203\.0\.113\.7 \(Network is unreachable\): vethd's ends in that namespace are veth1 \(192\.0\.2\.1\/24\): /,
    ],
    ['192.0.2.255', /: 192\.0\.2\.255 is a broadcast address: /],
    ['ff02::1%veth1', /: ff02::1 is a multicast address: /],
    ['fe80::1', /: fe80::1 is on every link: say which, as in fe80::1%veth1$/],
    ['-6 192.0.2.2', /: 192\.0\.2\.2 is no IPv6 address: leave -6 out$/],
    ['no.such.host.invalid', /: no\.such\.host\.invalid is no address, and no host of that name is known$/],
    ['-c 0 192.0.2.2', /: "0" is wrong for -c: /],
    ['-n nosuch 192.0.2.2', /^Cannot open network namespace "nosuch": No such file or directory\nvethctl: /],
    [`-n ${far.name} 2001:db8:1::1`, /are veth2 \(2001:db8::2\/64 fe80::\S+\/64\): ip -n \S+ address add /],
  ]
  for (const [words, says] of refusals) {
    const { code, stdout, stderr } = await ping(words)
    t.same([code, stdout], [2, ''], words)
    t.match(stderr.trimEnd(), says)
  }

  await host.do('ip link add other0 type bridge')
  await host.do('ip link set other0 up')
  await host.do('ip route add default dev other0')
  const other = await ping('198.51.100.1')
  t.match(other, {
    code: 2,
    stderr:
      /: 198\.51\.100\.1 leaves through other0, which is no end of a vethd pair: vethd's ends in that namespace are veth1 /,
  })
  await host.do('ip link set veth1 master other0')
  t.match((await ping('198.51.100.1')).stderr, /pair: veth1 is a port of it: ping from netns \S+f, to this end$/m)
  await host.do('ip link set veth1 nomaster')
  await host.do('ip link set veth1 down')
  const down = await ping('192.0.2.2')
  t.match(down.stderr, /: 192\.0\.2\.2 leaves through other0, .* pair: veth1 is down: ip link set veth1 up$/m)
  await host.do('ip link del other0')
  t.match((await ping('192.0.2.2')).stderr, /: there is no route .*: veth1 is down: ip link set veth1 up$/m)
  await far.do('ip link set veth2 down')
  await host.do('ip link set veth1 up')
  const carrier = await ping('2001:db8::2')
  t.match(carrier, {
    code: 2,
    stderr: /no carrier: its peer veth2 \(netns \S+\) is down\): ip -n \S+ link set veth2 up$/m,
  })
  await address(host, 'veth1', 1)
  await address(far, 'veth2', 2)

  const help = await vethctl('ping --help')
  t.match(help, { code: 0, stdout: /^Usage: vethctl \[ OPTIONS \] ping \[ -n NETNS \]/ })
  t.match((await vethctl('-help')).stdout, /-s SIZE {5}bytes of data \(default 56\)/)
}

function start({ host, daemon }: World, words: string) {
  return host.start([process.execPath, VETHCTL, '--socket', daemon.socket, ...split(words)])
}

async function changes(t: Test, world: World): Promise<void> {
  const { host, far } = world
  const pinging = start(world, 'ping -i .1 -W .5 192.0.2.2')
  await pinging.line(/ > answered/)
  await far.do('ip link set veth2 down')
  await pinging.line(/no carrier: its peer veth2/)
  await host.do('ip link set veth1 down')
  await pinging.line(
    /there is no route to 192\.0\.2\.2 \(Network is unreachable\)\n +veth1 is down: ip link set veth1 up\n/,
  )
  const before = pinging.stdout.length
  await address(host, 'veth1', 1)
  await address(far, 'veth2', 2)
  await until('an answer', () => pinging.stdout.slice(before).includes(' > answered'), 10_000)
  pinging.signal('SIGINT')
  t.equal((await pinging.exit()).code, 0)
}

async function pairGone(t: Test, world: World): Promise<void> {
  const { host, must } = world
  await must(`link add veth5 type veth peer name veth6 netns ${world.far.name}`)
  await host.do('ip address add 192.0.4.1/24 dev veth5')
  await host.do('ip link set veth5 up')
  await world.far.do('ip link set veth6 up')
  const pinging = start(world, 'ping -c 2 -i 0 -W 2 192.0.4.2')
  await until('ARP to ask', async () => (await host.do('ip neigh show to 192.0.4.2')).includes('INCOMPLETE'))
  await must('link del veth5')
  const { code, stdout } = await pinging.exit()
  t.equal(code, 1)
  t.match(
    stdout,
    /\n {2}1 .* - {2}the pair is gone\n +vethctl link show\n {2}2 .* - {2}there is no route to 192\.0\.4\.2 /,
  )
}

async function interrupted(t: Test, world: World): Promise<void> {
  const answered = start(world, `ping -n ${world.host.name} -i 100 192.0.2.2`)
  await answered.line(/ > answered/)
  answered.signal('SIGINT')
  t.match(await answered.exit(), {
    code: 0,
    stdout: /\n1 packets transmitted, 1 received, 0% packet loss, time \d+ms\nrtt /,
  })

  const unanswered = start(world, 'ping -W 100 192.0.2.9')
  await unanswered.line(/^PING/)
  await until('ARP to ask', async () => (await world.host.do('ip neigh show to 192.0.2.9')).includes('INCOMPLETE'))
  unanswered.signal('SIGINT')
  const { code, stdout } = await unanswered.exit()
  t.equal(code, 1)
  t.match(stdout, /^PING .*\n\n--- 192\.0\.2\.9 ping statistics ---\n1 packets transmitted, 0 received, 100% /)
}

async function withoutRawSocket(t: Test, { topology, host, daemon }: World): Promise<void> {
  const folder = await temporaryFolder(topology)
  cpSync(join(ROOT, 'dist/src'), join(folder, 'dist/src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const ping = () =>
    host.run([process.execPath, join(folder, 'dist/src/cli/main.js'), '--socket', daemon.socket, 'ping', '192.0.2.2'])
  const install = `vethctl: vethctl ping needs the raw-socket package: npm install raw-socket (in ${folder})\n`
  t.same(await ping(), { code: 2, stdout: '', stderr: install })

  const broken = join(folder, 'node_modules/raw-socket')
  mkdirSync(broken, { recursive: true })
  writeFileSync(join(broken, 'index.js'), "require('./build/Release/raw.node')")
  const rebuild = `vethctl: raw-socket cannot be loaded into Node ${process.version}: npm rebuild raw-socket (in ${folder})\n`
  t.same(await ping(), { code: 2, stdout: '', stderr: rebuild })
}

async function withoutRights(t: Test, { host, daemon }: World): Promise<void> {
  const vethctl = [process.execPath, VETHCTL, '--socket', daemon.socket, 'ping', '-c', '1']
  const without = (capability: string, ...words: string[]) =>
    host.run(['setpriv', '--bounding-set', `-${capability}`, ...vethctl, ...words])
  const raw = 'vethctl: a raw socket takes root (CAP_NET_RAW): use sudo\n'
  t.same(await without('net_raw', '192.0.2.2'), { code: 2, stdout: '', stderr: raw })
  const entered = await without('sys_admin', '-n', host.name, '192.0.2.2')
  t.match(entered, {
    code: 2,
    stderr: new RegExp(`^vethctl: ${host.name} cannot be entered: use sudo \\(nsenter: .*\\)\n$`),
  })
}

async function withoutDaemon(t: Test, world: World): Promise<void> {
  const pinging = start(world, 'ping -i .1 192.0.2.2')
  await pinging.line(/ > answered/)
  await world.daemon.stop()
  const { code, stderr, stdout } = await pinging.exit()
  t.equal(code, 2)
  t.match(stdout, /\n--- 192\.0\.2\.2 ping statistics ---\n/)
  t.match(stderr, /^vethctl: (no vethd answers on|vethd on) /)
}
