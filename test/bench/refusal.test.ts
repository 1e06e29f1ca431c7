/**
 * A subject that loses or changes frames gets the reason instead of a figure.
 *
 * The subjects here are two veth pairs and a bridge, with an nft rule where port1 receives, after left's counters:
 *
 *     left ── port1 ═ bridge ═ port2 ── right
 */
import t, { type Test } from 'tap'
import { run } from '../../bench/run.js'
import { LEFT, RIGHT, type Subject } from '../../bench/subjects/subject.js'
import { WORKLOADS } from '../../bench/workloads/index.js'
import { missing, Topology } from '../device/harness/topology.js'

/** The port of the sink in bench/link.ts. */
const TO_SINK = 'udp dport 7000'

function bridged(name: string, rule: string): Subject {
  return {
    name,
    title: name,
    needs: ['nft'],
    join: async (_, host) => {
      await host.sysctl('net.ipv6.conf.default.disable_ipv6', 1) // otherwise the bridge sends frames of its own
      await host.do('ip link add bridge up type bridge mcast_snooping 0')
      for (const [dev, port] of [
        [LEFT, 'port1'],
        [RIGHT, 'port2'],
      ]) {
        await host.do(`ip link add ${dev} type veth peer name ${port}`)
        await host.do(`ip link set ${port} up master bridge`)
      }
      await host.do(
        'nft -f -',
        `table netdev t { chain c { type filter hook ingress device port1 priority 0; ${rule}; }; }`,
      )
      return { pids: [] }
    },
  }
}

async function figureOf(t: Test, subject: Subject) {
  const workloads = WORKLOADS.filter(({ name }) => name === 'udp-64')
  const plan = { subjects: [subject], workloads, blocks: 1, seconds: 0.1, pinned: true, gate: false, together: true }
  const { blocks } = await run(Topology.of(t), plan, () => {})
  return blocks[0].figures[subject.name]
}

const skip = missing('iperf3', 'ethtool', 'gcc', 'tc', 'nft')

t.test('a subject that carries everything unchanged has a figure', { skip }, async (t) => {
  const figure = await figureOf(t, bridged('honest', `${TO_SINK} accept`))
  t.equal(figure.refused, undefined)
  t.ok(figure.value! > 0)
})

t.test('a subject that loses datagrams without a counter has none', { skip }, async (t) => {
  const figure = await figureOf(t, bridged('lossy', `${TO_SINK} limit rate over 500/second drop`))
  t.match(figure.refused, /^\d+ datagrams lost without explanation$/)
  t.equal(figure.value, undefined)
})

t.test('a subject that changes a payload has none', { skip }, async (t) => {
  const figure = await figureOf(t, bridged('damaging', `${TO_SINK} @th,128,8 set 1`))
  t.match(figure.refused, /^damaged: a datagram of 64 bytes$/)
  t.equal(figure.value, undefined)
})
