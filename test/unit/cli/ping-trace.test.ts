/**
 * What the counters of a pair prove about one echo, without and with other traffic. An echo here is one frame of 98
 * bytes.
 */
import t from 'tap'
import type { DeviceStats } from '../../../src/api/schema.js'
import { laneWindow, passage } from '../../../src/cli/ping/trace.js'

/** What one lane counted; the rest is 0. */
interface Counted {
  read?: number
  bytes?: number
  txDropped?: number
  written?: number
  merged?: number
  protocols?: Record<string, number>
  classes?: Record<string, number>
  drops?: Record<string, number>
}

const BASE = 2n ** 60n
const NAMES = {
  protocols: ['ipv4', 'ipv6', 'arp'],
  classes: ['host', 'otherhost'],
  drops: ['tap_ring_full', 'too_long', 'peer_down', 'write_error', 'undescribed', 'bad_checksum'],
}

/** The parts of an end's counters that are looked at, each above 2^53 already. */
function stats(own: Counted, peers: Counted): DeviceStats {
  const text = (count = 0) => String(BASE + BigInt(count))
  const all = (names: string[], counts: Record<string, number> = {}) =>
    Object.fromEntries(names.map((name) => [name, text(counts[name])]))
  return {
    kernel: { tx: { dropped: text(own.txDropped) } },
    vethd: {
      read: { packets: text(own.read), bytes: text(own.bytes) },
      written: { packets: text(peers.written) },
      protocols: all(NAMES.protocols, own.protocols),
      classes: all(NAMES.classes, own.classes),
      drops: all(NAMES.drops, own.drops),
      gro: { frames: { merged: text(peers.merged) } },
    },
  } as unknown as DeviceStats
}

function trace(counted: Counted, packets = 1, bytes = 98) {
  const snapshot = (near: Counted) => ({ near: stats(near, {}), far: stats({}, near) })
  return passage(laneWindow(snapshot({}), snapshot(counted), 'near'), packets, bytes, 4)
}

const ALL = ['sent', 'ring', 'read', 'verdict', 'written']
const ECHO = { read: 1, bytes: 98, protocols: { ipv4: 1 }, classes: { host: 1 } }

t.test('alone, an echo is where the counters stopped', async (t) => {
  t.same(trace({ ...ECHO, written: 1 }), { passed: ALL, stop: undefined, verdict: 'host ipv4', others: {} })
  t.match(trace({ ...ECHO, merged: 1 }), { passed: ALL, stop: undefined }, 'GRO merged it into another')
  t.match(trace({ ...ECHO, classes: { otherhost: 1 }, written: 1 }), { verdict: 'otherhost ipv4' })
  t.match(trace({}), { passed: [], stop: { reason: 'not_handed', certain: true } })
  t.match(trace(ECHO), { passed: ALL.slice(0, 4), stop: { reason: 'held', certain: true, count: 1, of: 1 } })
  t.match(trace({ txDropped: 1, drops: { tap_ring_full: 1 } }), {
    passed: ['sent'],
    stop: { reason: 'tap_ring_full', certain: true, count: 1, of: 1 },
  })
  t.match(trace({ drops: { undescribed: 1 } }), { passed: ['sent'], stop: { reason: 'undescribed', certain: true } })
  t.match(trace({ ...ECHO, drops: { bad_checksum: 1 } }), {
    passed: ['sent', 'ring', 'read'],
    stop: { reason: 'bad_checksum', certain: true },
  })
  t.match(trace({ ...ECHO, drops: { too_long: 1 } }), { passed: ['sent', 'ring', 'read'] }, 'where there is no filter')
  t.match(trace({ ...ECHO, drops: { write_error: 1 } }), { passed: ALL.slice(0, 4), stop: { reason: 'write_error' } })
})

t.test('an ARP request before it is another frame, and proves nothing of the echo', async (t) => {
  const arp = { read: 1, bytes: 42, protocols: { arp: 1 }, written: 1 }
  t.match(trace(arp), { passed: [], stop: { reason: 'not_handed' }, others: { arp: 1 } })
  t.match(
    trace({ ...arp, txDropped: 1, drops: { too_long: 1 } }),
    { passed: ['sent'], stop: { reason: 'too_long', certain: true, count: 1, of: 2 } },
    'the echo was not read, so it is what was dropped',
  )
  const both = { read: 2, bytes: 140, protocols: { arp: 1, ipv4: 1 }, classes: { host: 1 }, written: 2 }
  t.match(trace(both), { passed: ALL, stop: undefined, verdict: 'host ipv4', others: { arp: 1 } })
})

t.test('what asks for an IPv6 neighbour is multicast, and no echo', async (t) => {
  const solicitations = { read: 3, bytes: 3 * 86, protocols: { ipv4: 3 }, classes: {}, written: 3 }
  t.match(trace(solicitations), { passed: [], stop: { reason: 'not_handed', certain: true } })
})

t.test('beside other traffic only what is certain is said to be', async (t) => {
  const others = { read: 100, bytes: 9800, protocols: { ipv4: 99, ipv6: 1 }, classes: { host: 100 } }
  t.match(trace({ ...others, written: 100 }), { passed: ALL, stop: undefined, others: { ipv4: 98, ipv6: 1 } })
  t.match(
    trace({ ...others, written: 90, drops: { bad_checksum: 10 } }),
    { stop: { reason: 'bad_checksum', certain: false, count: 10, of: 100 } },
    '10 of 100 may be others',
  )
  t.match(
    trace({ ...others, txDropped: 7, written: 100, drops: { tap_ring_full: 7 } }),
    { passed: ['sent'], stop: { certain: false, count: 7, of: 107 } },
    'of what was read, one may be the echo',
  )
  t.match(trace({ ...others, drops: { bad_checksum: 100 } }), { stop: { certain: true, of: 100 } }, 'all of them')
  t.match(
    trace({ ...others, txDropped: 3, drops: { tap_ring_full: 3, bad_checksum: 1 } }),
    { stop: { reason: 'tap_ring_full', count: 4 } },
    'the most frequent reason',
  )
  const small = { read: 2, bytes: 97, protocols: { ipv4: 2 }, classes: { host: 2 }, written: 2 }
  t.match(trace(small), { stop: { reason: 'not_handed' } }, 'frames that are too small for it')
})

t.test('an echo in fragments came through when all of them did', async (t) => {
  const fragments = { read: 3, bytes: 4110, protocols: { ipv4: 3 }, classes: { host: 3 } }
  t.match(trace({ ...fragments, written: 3 }, 3, 4110), { passed: ALL, stop: undefined })
  t.match(
    trace(
      { read: 1, bytes: 1514, protocols: { ipv4: 1 }, classes: { host: 1 }, txDropped: 1, drops: { tap_ring_full: 1 } },
      3,
      4110,
    ),
    { passed: ['sent'], stop: { reason: 'tap_ring_full', certain: true } },
    'the stack stops at the first that is dropped',
  )
})
