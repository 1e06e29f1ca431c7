/**
 * Which commands of tc change a root qdisc, and how they are rewritten to have the same effect on an end as on a veth.
 */
import t from 'tap'
import { asOnVeth, isForRoot, NOTHING_TO_DELETE } from '../../../src/cli/tc-qdisc.js'

const split = (line: string) => line.split(' ')

t.test('commands for a root qdisc are told from all others', async (t) => {
  const suspects = [
    'qdisc add dev v1 root htb',
    'q a root dev v1',
    'qdi d dev v1 parent root',
    'qdisc ch dev v1 root handle 5: htb',
    'qdisc l dev v1 root',
    'qdisc add dev root ingress',
  ]
  const others = [
    '',
    'qdisc',
    'qdisc add',
    'qdisc add dev v1 ingress',
    'qdisc add dev v1 parent 5:1 handle 10: netem delay 1ms',
    'qdisc replace dev v1 root htb',
    'qdisc show dev v1 root',
    'qdisc list root',
    'qdisc root',
    'class add dev v1 root',
    'qdiscs add dev v1 root',
    'qdisc adds dev v1 root',
  ]
  for (const line of suspects) t.ok(isForRoot(split(line)), line)
  for (const line of others) t.notOk(isForRoot(split(line)), line)
})

t.test("an end's own noqueue is as if it had no handle", async (t) => {
  for (const [line, words] of Object.entries({
    'qdisc add dev v1 root handle 5: htb default 1': 'qdisc replace dev v1 root handle 5: htb default 1',
    'q a parent root handle 5 dev v1 htb': 'q replace parent root handle 5 dev v1 htb',
    'qdisc add dev v1 root noqueue': 'qdisc replace dev v1 root noqueue',
    'qdisc add dev v1 root htb': 'qdisc add dev v1 root htb',
    'qdisc add dev v1 root': 'qdisc add dev v1 root',
    'qdisc change dev v1 root htb': 'qdisc link handle 1: dev v1 root htb',
    'qdisc link dev v1 root handle 5: htb': 'qdisc link dev v1 root handle 5: htb',
    'qdisc del dev v1 root': NOTHING_TO_DELETE,
    'qdisc del parent root dev v1': NOTHING_TO_DELETE,
    'qdisc del dev v1 root htb': 'qdisc del dev v1 root htb',
    'qdisc add dev root handle 5: htb': 'qdisc add dev root handle 5: htb',
    'qdisc add root dev': 'qdisc add root dev',
    'qdisc add root htb': 'qdisc add root htb',
  })) {
    const answer = asOnVeth(split(line), () => ({ kind: 'noqueue', handle: '8001:' }))
    t.same(typeof answer === 'string' ? answer : answer.join(' '), words, line)
  }
})

t.test("what somebody else's device has at its root is left to tc", async (t) => {
  const roots = [
    { kind: 'noqueue', handle: '0:' },
    { kind: 'noqueue', handle: '7:' },
    { kind: 'htb', handle: '8001:' },
  ]
  for (const root of [...roots, undefined]) {
    for (const command of ['add', 'change', 'link', 'del']) {
      const words = split(`qdisc ${command} dev v1 root handle 5: htb`)
      t.equal(
        asOnVeth(words, () => root),
        words,
      )
    }
  }
})

t.test('where vethd is about to put its noqueue, nothing depends on whether it has', async (t) => {
  const asked: string[] = []
  const rootOf = (device: string) => {
    asked.push(device)
    return { kind: 'pfifo_fast', handle: '0:' }
  }
  t.same(
    asOnVeth(split('qdisc add dev dev root handle 5: htb'), rootOf),
    split('qdisc replace dev dev root handle 5: htb'),
  )
  t.equal(asOnVeth(split('qdisc del root dev v1'), rootOf), NOTHING_TO_DELETE)
  t.same(asked, ['dev', 'v1'])
})
