/**
 * Reads: they do not wait for writes, they cost little however many devices there are, and what `ip` did before a request
 * is in its answer.
 *
 * One daemon, and some sixty pairs that the first test makes. Times are of a busy machine, so what is compared is CPU time
 * and order.
 */
import { Agent } from 'node:http'
import t, { type Test } from 'tap'
import type { Device } from '../../src/api/schema.js'
import { until } from '../device/harness/processes.js'
import { missing, type Rig, send, startRig } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

const PAIRS = 60
/** A device costs a twentieth of a millisecond, JSON and HTTP included; it was five times as much when each was asked alone. */
const CPU_US_A_DEVICE = 120

t.test('with sixty pairs', { skip }, async (t) => {
  const rig = await startRig(t)
  await t.test('a read waits for two pairs at most while all are being made', (t) => besideWrites(t, rig))
  await t.test('a list costs CPU by the device, and not by the namespace', (t) => costs(t, rig))
  await t.test('what ip renamed, moved and replaced a moment ago is found as it is now', (t) => isFresh(t, rig))
  await t.test('what ip and tc changed a moment ago is in a list', (t) => isCurrent(t, rig))
  await t.test('a read is answered while all are being removed', (t) => besideRemoval(t, rig))
})

async function besideWrites(t: Test, { daemon, host }: Rig): Promise<void> {
  let made = 0
  const writes = Array.from({ length: PAIRS }, async (_, i) => {
    const body = JSON.stringify({ dev: { name: `a${i}` }, peer: { name: `b${i}` } })
    const { status } = await send(daemon.socket, 'POST', `/v1/pairs?netns=${host.name}`, body)
    if (status !== 201) throw new Error(`POST was answered with ${status}`)
    made++
  })
  const waits = await readUntil(daemon.socket, Promise.all(writes), () => made)
  t.ok(waits.length >= PAIRS, `${waits.length} reads meanwhile`)
  t.ok(Math.max(...waits) <= 2, `pairs made while a read waited: ${waits.join(' ')}`)
}

/** Reads the version again and again until `done`; how far `progress` went during each read. */
async function readUntil(socket: string, done: Promise<unknown>, progress: () => number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let isDone = false
  done.finally(() => {
    isDone = true
  })
  const went: number[] = []
  while (!isDone) {
    const before = progress()
    await send(socket, 'GET', '/v1/version', undefined, agent)
    went.push(progress() - before)
  }
  agent.destroy()
  await done
  return went
}

async function costs(t: Test, { daemon }: Rig): Promise<void> {
  const read = async (times: number) => {
    for (let i = 0; i < times; i++) await send(daemon.socket, 'GET', '/v1/devices')
  }
  const main = () => daemon.cpuMs().get(`${daemon.process.pid} node`) ?? Number.NaN
  await read(30) // until they are compiled
  const before = main()
  await read(20)
  const each = ((main() - before) * 1000) / (20 * 2 * PAIRS)
  t.ok(each < CPU_US_A_DEVICE, `${each.toFixed(0)} us of CPU a device`)
}

async function isFresh(t: Test, { topology, daemon, host }: Rig): Promise<void> {
  const other = await topology.namespace('t')
  const places = async (query: string) => {
    const { body } = await send(daemon.socket, 'GET', `/v1/devices${query}`)
    return (body.devices as Device[]).map(({ ifname, vethd }) => `${vethd.netns} ${ifname} ${vethd.pair}/${vethd.side}`)
  }
  const find = async (ns: { name: string }, dev: string) => (await places(`?netns=${ns.name}&dev=${dev}`))[0]
  const reference = async (dev: string) => (await find(host, dev)).split(' ')[2]
  const three = await reference('a3')
  let [one, two] = await Promise.all(['a1', 'a2'].map(reference))
  for (let round = 0; round < 3; round++) {
    // two change their names, one goes where there is none of its name, and another device gets its index
    const { ifindex } = JSON.parse(await host.do('ip -j link show a3'))[0]
    const changes = [
      'link set a1 name tmp',
      'link set a2 name a1',
      'link set tmp name a2',
      `link set a3 netns ${other.name} name a1`,
      `link add other index ${ifindex} type bridge`,
    ]
    await host.do('ip -batch -', changes.join('\n'))
    const all = await places('')
    t.equal(all.length, 2 * PAIRS)
    const moved = [`${host.name} a1 ${two}`, `${host.name} a2 ${one}`, `${other.name} a1 ${three}`]
    for (const place of moved) t.ok(all.includes(place), `${place} in the list`)
    await host.do('ip link set a1 down name a4711')
    t.equal(await find(host, 'a4711'), `${host.name} a4711 ${two}`, 'one by its name')
    await host.do('ip -batch -', ['link set a4711 name a1', 'link del other'].join('\n'))
    await other.do(`ip link set a1 netns ${host.name} name a3`)
    t.equal(await find(host, 'a3'), `${host.name} a3 ${three}`, 'one that came back')
    ;[one, two] = [two, one]
  }
}

async function isCurrent(t: Test, { daemon, host }: Rig): Promise<void> {
  const listed = async () => {
    const { body } = await send(daemon.socket, 'GET', '/v1/devices')
    return (body.devices as Device[]).find(({ ifname }) => ifname === 'a5')!
  }
  await listed()
  await host.do('tc qdisc replace dev a5 root handle 7: pfifo')
  t.equal((await listed()).qdisc, 'pfifo')
  await host.do('ip link set a5 alias x txqueuelen 300 promisc on')
  t.match(await listed(), { ifalias: 'x', txqlen: 300, promiscuity: 1 })
  for (const dev of ['a5', 'b5']) await host.do(`ip link set ${dev} up`)
  await until('a carrier', async () => (await listed()).flags.includes('LOWER_UP'))
  await host.do('ip link set b5 down')
  t.notOk((await listed()).flags.includes('LOWER_UP'))
  await host.do('tc qdisc del dev a5 root')
  const { body } = await send(daemon.socket, 'GET', '/v1/devices?dev=a5')
  t.same(body.devices[0], await listed(), 'it is what is said of the device alone')
}

async function besideRemoval(t: Test, { daemon, host }: Rig): Promise<void> {
  const names = Array.from({ length: PAIRS }, (_, i) => `dev=a${i}`).join('&')
  const left = async () => (await send(daemon.socket, 'GET', '/v1/pairs')).body.pairs.length
  const removal = send(daemon.socket, 'DELETE', `/v1/devices?netns=${host.name}&${names}`)
  const waits = await readUntil(daemon.socket, removal, () => 0)
  t.match((await removal).body, { removed: PAIRS })
  t.ok(waits.length > 2, `${waits.length} reads meanwhile`)
  t.equal(await left(), 0)
  t.same(await host.devices(), [])
}
