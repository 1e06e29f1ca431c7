/** The record of a pair (src/veth/record.ts): it is always current, and survives JSON. */
import { closeSync } from 'node:fs'
import t from 'tap'
import { resolveNetns } from '../../src/netlink/netns.js'
import { Driver } from '../../src/veth/driver.js'
import { missing, Topology } from './harness/topology.js'

t.test('the record of a pair', { skip: missing('ip') }, async (t) => {
  const topology = Topology.of(t)
  const ns = await topology.namespace('record')
  const driver = await Driver.open({ workers: 1 })
  t.teardown(() => driver.close())
  const netnsFd = resolveNetns(ns.name)
  const pair = await driver.addPair({
    dev: { name: 'v1', netnsFd, numTxQueues: 2, numRxQueues: 2, address: '02:00:00:00:00:0a' },
    peer: { netnsFd, txqueuelen: 100 },
    checksum: 'verify',
  })
  closeSync(netnsFd)
  const { a, b, record } = pair

  await t.test('says how it was made, and what was chosen for it', async (t) => {
    t.match(record, {
      id: pair.id,
      checksum: 'verify',
      createdAt: pair.createdAt.toISOString(),
      ends: {
        a: { name: 'v1', address: '02:00:00:00:00:0a', queues: 2, ring: 4096, groFlushUs: 0, withheld: null },
        b: { name: 'veth0', address: b.state().link.address, queues: 1, ring: null, carrierDrops: 0 },
      },
    })
    t.equal(record.ends.a, a.record)
    t.equal(record.ends.b, b.record)
  })

  await t.test('follows what is changed, by vethd and by others', async (t) => {
    driver.set(a, { groFlushUs: 250, txqueuelen: 300, name: 'w1' })
    t.match(a.record, { groFlushUs: 250, ring: null, name: 'w1' })
    driver.set(a, { txqueuelen: 0 })
    t.equal(a.record.ring, a.state().link.txqueuelen)
    await ns.do('ip link set veth0 name w2')
    driver.settle()
    driver.refresh(b)
    t.equal(b.record.name, 'w2')
  })

  await t.test('counts what was dropped without carrier', async (t) => {
    driver.set(a, { up: true })
    t.equal(a.carrier, false)
    await ns.do('ip address add 192.0.2.1/24 dev w1')
    await ns.do('ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev w1')
    const python =
      "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('w1', 0)); s.send(bytes(60))"
    for (let i = 0; i < 3; i++) await ns.run(['python3', '-c', python])
    const { txDropped } = a.state().link.stats
    t.ok(txDropped > 0n)
    driver.set(b, { up: true })
    t.equal(BigInt(a.record.carrierDrops), txDropped)
  })

  await t.test('is JSON', async (t) => {
    t.same(JSON.parse(JSON.stringify(record)), record)
  })
})

t.test(
  'a change is complete when set returns: the carrier has followed at both ends',
  { skip: missing('ip') },
  async (t) => {
    const topology = Topology.of(t)
    const ns = await topology.namespace('set')
    const driver = await Driver.open({ workers: 1 })
    t.teardown(() => driver.close())
    const netnsFd = resolveNetns(ns.name)
    const { a, b } = await driver.addPair({ dev: { netnsFd }, peer: { netnsFd } })
    closeSync(netnsFd)
    const carriers = () => [a, b].map((device) => device.state().link.carrier)
    for (let round = 0; round < 10; round++) {
      driver.set(a, { up: true })
      driver.set(b, { up: true })
      t.same(carriers(), [true, true])
      driver.set(round % 2 === 0 ? a : b, { up: false })
      t.same(carriers(), [false, false])
    }
    t.throws(() => driver.set(a, { mtu: 1 }), { code: 'MTU_INVALID' })
    driver.set(a, { mtu: 1300 })
    t.equal(a.known?.mtu, 1300, 'what depends on it was told')
  },
)
