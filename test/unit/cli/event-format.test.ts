/** The lines of `vethctl monitor`. */
import t from 'tap'
import type { Event } from '../../../src/api/schema.js'
import { eventText } from '../../../src/cli/event-format.js'

const about = { time: '2026-01-01T12:00:00.123Z', pair: 1, device: '1/a', name: 'veth1', netns: 't1', netns_inode: 7 }
const nameless = { netns: null, netns_inode: 4026531840 }

t.test('each kind is one line, and the columns line up', async (t) => {
  const events: Event[] = [
    { kind: 'added', ...about, peer: 'veth2', checksum: 'offload', carrier: false },
    { kind: 'moved', ...about, ...nameless, from: { netns: 't1', netns_inode: 7 } },
    { kind: 'moved', ...about, pair: 1000, device: '1000/b', name: 'fifteen-letters', from: nameless },
    { kind: 'renamed', ...about, was: 'veth7' },
    { kind: 'carrier', ...about, carrier: true },
    { kind: 'degraded', ...about, what: 'length filter', why: 'bpf(2): EPERM' },
    { kind: 'removed', ...about, reason: 'device-gone' },
  ]
  t.equal(
    events.map(eventText).join(''),
    `2026-01-01T12:00:00.123Z  added     1/a     veth1            t1                peer veth2 checksum offload carrier off
2026-01-01T12:00:00.123Z  moved     1/a     veth1            net:[4026531840]  from t1
2026-01-01T12:00:00.123Z  moved     1000/b  fifteen-letters  t1                from net:[4026531840]
2026-01-01T12:00:00.123Z  renamed   1/a     veth1            t1                was veth7
2026-01-01T12:00:00.123Z  carrier   1/a     veth1            t1                on
2026-01-01T12:00:00.123Z  degraded  1/a     veth1            t1                length filter: bpf(2): EPERM
2026-01-01T12:00:00.123Z  removed   1/a     veth1            t1                device-gone
`,
  )
})
