/** The end of the daemon (harness/endings.ts), with some pairs; test/long/endings.test.ts has more. */
import t from 'tap'
import { endings } from './harness/endings.js'
import { DEADLINE_MS, missing } from './harness/topology.js'

t.setTimeout(DEADLINE_MS)

t.test('vethd with 40 pairs', { skip: missing('ip') }, (t) => endings(t, 40))
