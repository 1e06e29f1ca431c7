/** The output of `vethctl ping`: columns, stages, and ping's summary. */
import { statSync } from 'node:fs'
import t from 'tap'
import type { Device } from '../../../src/api/schema.js'
import type { Loss } from '../../../src/cli/ping/explain.js'
import { echoJson, echoText, headText, summaryText } from '../../../src/cli/ping/format.js'
import type { Passage } from '../../../src/cli/ping/trace.js'
import type { Way } from '../../../src/cli/ping/way.js'

const near = {
  ifname: 'veth1',
  vethd: {
    netns: null,
    netns_inode: statSync('/proc/self/ns/net').ino,
    pair: 3,
    side: 'a',
    peer: 'veth2',
    peer_netns: null,
    peer_netns_inode: 1,
  },
} as unknown as Device
const way: Way = {
  target: { family: 4, address: '192.0.2.2' },
  near,
  nextHop: '192.0.2.2',
  source: '192.0.2.1',
  mtu: 1500,
}
const forward: Passage = {
  passed: ['sent', 'ring', 'read', 'verdict', 'written'],
  verdict: 'host ipv4',
  others: {},
}
const loss: Loss = { after: null, reason: 'no_neighbour', certain: true, why: 'no answer to ARP', advice: 'ip neigh' }
const text = (echo: Partial<Parameters<typeof echoText>[1]>) => echoText('192.0.2.2', { seq: 1, way, forward, ...echo })

t.test('an echo is one aligned line, and its advice stands below', async (t) => {
  const all = 'sent veth1 > ring > read > host ipv4 > written veth2'
  t.equal(text({ answer: { from: '192.0.2.2', rttMs: 0.2149 } }), `  1  192.0.2.2    0.21 ms  ${all} > answered\n`)
  t.equal(
    text({ seq: 12, answer: { from: '192.0.2.2', rttMs: 12.34 } }),
    ` 12  192.0.2.2    12.3 ms  ${all} > answered\n`,
  )
  t.equal(
    text({ forward: { ...forward, others: { arp: 1, ipv4: 20 } }, answer: { from: '192.0.2.2', rttMs: 1234.5 } }),
    `  1  192.0.2.2    1235 ms  ${all} > answered  (other frames: 1 arp, 20 ipv4)\n`,
  )
  const advice = `${' '.repeat(27)}ip neigh\n`
  t.equal(text({ loss }), `  1  192.0.2.2          -  no answer to ARP\n${advice}`)
  t.equal(
    text({ loss: { ...loss, after: 'written' } }),
    `  1  192.0.2.2          -  ${all} > no answer to ARP\n${advice}`,
  )
  t.equal(
    text({ loss: { ...loss, after: 'read' } }),
    `  1  192.0.2.2          -  sent veth1 > ring > read > no answer to ARP\n${advice}`,
  )
  t.equal(text({ way: undefined, forward: undefined, loss }), `  1  192.0.2.2          -  no answer to ARP\n${advice}`)
})

t.test('the first line names both ends', async (t) => {
  const end = '192.0.2.1 through pair 3, veth1 to veth2 (net:[1]): 56 bytes of data\n'
  t.equal(headText(way, 56), `PING 192.0.2.2 from ${end}`)
  const gone = { ...near, vethd: { ...near.vethd, peer: null } }
  t.match(
    headText({ ...way, near: gone, source: undefined }, 0),
    /^PING 192\.0\.2\.2 through pair 3, veth1 to a peer that is gone: 0/,
  )
})

t.test('JSON has every member, known or not', async (t) => {
  t.same(echoJson('192.0.2.2', { seq: 1, loss }), {
    seq: 1,
    address: '192.0.2.2',
    answered: false,
    from: null,
    rtt_ms: null,
    device: null,
    pair: null,
    side: null,
    peer: null,
    peer_netns: null,
    steps: [],
    verdict: null,
    other_frames: {},
    lost: loss,
  })
})

t.test("the summary is ping's", async (t) => {
  const head = '\n--- a ping statistics ---\n'
  t.equal(summaryText('a', 0, [], 0), `${head}0 packets transmitted, 0 received, 0% packet loss, time 0ms\n`)
  t.equal(summaryText('a', 3, [], 2000.4), `${head}3 packets transmitted, 0 received, 100% packet loss, time 2000ms\n`)
  t.equal(
    summaryText('a', 3, [1, 2], 10),
    `${head}3 packets transmitted, 2 received, 33.3333% packet loss, time 10ms\nrtt min/avg/max/mdev = 1.000/1.500/2.000/0.500 ms\n`,
  )
})
