/**
 * Names repeat across namespaces: which device a name refers to, and where a new pair appears.
 *
 *     namespace h (the caller's)   veth1 ── veth2        pair 1
 *     namespaces t, u              veth1 ── peer-t, veth1 ── peer-u
 */
import t from 'tap'
import type { Device } from '../../src/api/schema.js'
import { until } from '../device/harness/processes.js'
import { joinRig, missing, type Rig, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

/** The id of the pair whose end `dev` is. */
async function pairOf(must: Rig['must'], dev: string): Promise<number> {
  return JSON.parse(await must(`-j link show ${dev}`))[0].vethd.pair
}

t.test("a new pair appears in the caller's namespace, whatever the daemon's", { skip }, async (t) => {
  const { topology, daemon, host } = await joinRig(t)
  const caller = await topology.namespace('t')
  await caller.do([process.execPath, VETHCTL, '--socket', daemon.socket, ...'link add type veth'.split(' ')])
  t.same((await caller.devices()).sort(), ['veth0', 'veth1'])
  t.same(await host.devices(), [])
})

t.test('without a peer block the peer inherits namespace, MTU and queue, with one nothing', { skip }, async (t) => {
  const { topology, must, host } = await joinRig(t)
  const other = await topology.namespace('t')
  await must(`link add veth1 mtu 1400 txqueuelen 100 netns ${other.name} type veth`)
  t.same((await other.devices()).sort(), ['veth0', 'veth1'])
  const [peer] = JSON.parse(await must(`-n ${other.name} -j link show veth0`))
  t.match(peer, { mtu: 1400, txqlen: 100 })
  await must(`link add veth5 mtu 1400 netns ${other.name} type veth peer name veth6`)
  t.same(await host.devices(), ['veth6'])
  t.match(JSON.parse(await must('-j link show veth6')), [{ mtu: 1500 }])
})

t.test('-n is where a command acts', { skip }, async (t) => {
  const { topology, must, host } = await joinRig(t)
  const other = await topology.namespace('t')
  await must(`-n ${other.name} link add veth1 type veth peer name veth2`)
  await must(`-netns ${other.name} link set veth1 up mtu 1400`)
  t.match(JSON.parse(await other.do('ip -j link show veth1')), [{ mtu: 1400, flags: ['NO-CARRIER'] }])
  await must(`-n ${other.name} link del veth2`)
  t.same([await other.devices(), await host.devices()], [[], []])
})

t.test(
  'a name that is elsewhere only is shown from there, an ambiguous one lists the candidates',
  { skip },
  async (t) => {
    const { topology, must, vethctl } = await joinRig(t)
    const [one, two] = [await topology.namespace('t'), await topology.namespace('u')]
    await must(`link add veth1 netns ${one.name} type veth peer name peer1`)
    t.match(JSON.parse(await must('-j link show veth1')), [{ vethd: { netns: one.name } }])
    t.match(JSON.parse(await must('-j stats veth1')), [{ netns: one.name }])
    const first = await pairOf(must, 'veth1')
    const second = first + 1

    await must(`link add veth1 netns ${two.name} type veth peer name peer2`)
    const { code, stderr } = await vethctl('link show veth1')
    t.equal(code, 1)
    for (const candidate of [one.name, `${first}/a`, two.name, `${second}/a`, `-n ${one.name}`])
      t.match(stderr, candidate)
    t.match(JSON.parse(await must(`-j link show ${second}/a`)), [{ vethd: { netns: two.name } }])
    t.match(JSON.parse(await must(`-n ${two.name} -j link show veth1`)), [{ vethd: { pair: second } }])

    await must('link add veth1 type veth peer name veth2')
    t.match(
      JSON.parse(await must('-j link show veth1')),
      [{ vethd: { pair: second + 1 } }],
      "the caller's own comes first",
    )
  },
)

t.test('set and del do not reach into another namespace by name, and say where it is', { skip }, async (t) => {
  const { topology, must, vethctl } = await joinRig(t)
  const other = await topology.namespace('t')
  await must(`link add veth1 netns ${other.name} type veth peer name veth2`)
  const end = `${await pairOf(must, 'veth1')}/a`
  for (const words of ['link set veth1 up', 'link del veth1']) {
    const { code, stderr } = await vethctl(words)
    const [first, second] = stderr.split('\n')
    t.same([code, first], [1, 'Cannot find device "veth1"'], words)
    t.match(second, `-n ${other.name}`)
    t.match(second, end)
  }
  await must(`link set ${end} up`)
  t.match(JSON.parse(await other.do('ip -j link show veth1')), [{ flags: ['NO-CARRIER'] }])
  await must(`link del ${end}`)
  t.same(await other.devices(), [])
})

t.test('a device that somebody renamed and moved is found where and as what it is', { skip }, async (t) => {
  const { topology, host, must, vethctl, daemon } = await joinRig(t)
  const other = await topology.namespace('t')
  await must('link add veth1 type veth peer name veth2')
  const end = `${await pairOf(must, 'veth1')}/a`
  await host.do(`ip link set veth1 netns ${other.name} name eth0`)
  t.match(JSON.parse(await must('-j link show veth2')), [{ vethd: { peer: 'eth0' } }])
  t.match(JSON.parse(await must(`-j link show ${end}`)), [{ ifname: 'eth0', vethd: { netns: other.name } }])
  t.equal((await vethctl('link set veth1 up')).code, 1)
  await daemon.process.line(/"msg":"device moved"/)
  await daemon.process.line(/"msg":"device renamed"/)
  await must(`link set ${end} netns ${host.name} name veth1`)
  t.same((await host.devices()).sort(), ['veth1', 'veth2'])
})

t.test('a namespace is given by name, by pid and by file', { skip }, async (t) => {
  const { topology, must } = await joinRig(t)
  const other = await topology.namespace('t')
  const sleeper = other.start('sleep 60')
  await must('link add veth1 type veth peer name veth2')
  const end = `${await pairOf(must, 'veth1')}/a`
  const where = async () => JSON.parse(await must(`-j link show ${end}`))[0].vethd.netns
  const away = [other.name, String(sleeper.pid), `/run/netns/${other.name}`]
  const host = await where()
  for (const spec of away) {
    // ip netns exec has become sleep: its namespace is the one it sleeps in, a moment after the start
    await must(`link set ${end} netns ${spec}`)
    t.equal(await where(), other.name, spec)
    await must(`link set ${end} netns ${host}`)
  }
})

t.test('nothing that was asked keeps a namespace alive', { skip }, async (t) => {
  const { topology, must, host } = await joinRig(t)
  const other = await topology.namespace('t')
  await must('link add veth1 type veth peer name veth2')
  const watch = await host.watchLinks()
  await must(`link set veth1 netns ${other.name}`)
  await must(`-n ${other.name} link set veth1 up`)
  await must(`-n ${other.name} -s link show`)
  await must('stats')
  await other.delete()
  await watch.gone('veth2', 1000)
  t.equal(await must('link show'), '')
})

t.test(
  'while the kernel deletes a namespace, the others are shown, and the devices in it are gone',
  { skip },
  async (t) => {
    const { topology, host, must } = await joinRig(t)
    await must('link add veth1 type veth peer name veth2')
    const first = await pairOf(must, 'veth1')
    for (let round = 1; round <= 3; round++) {
      const other = await topology.namespace('t')
      await must(`link add veth3 netns ${other.name} type veth peer name veth4`)
      await other.delete()
      const ids = async () => JSON.parse(await must('-j link show')).map((link: Device) => link.vethd.pair)
      await until('the pair to be gone', async () => !(await ids()).includes(first + round))
      await until('its peer to be gone', async () => !(await host.has('veth4')))
      t.same(await ids(), [first, first])
    }
  },
)
