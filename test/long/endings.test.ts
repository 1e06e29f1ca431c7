/** The end of the daemon with many pairs, which must not take longer than with few. */
import t from 'tap'
import { endings } from '../device/harness/endings.js'
import { missing } from '../device/harness/topology.js'

t.setTimeout(0)

t.test('vethd with 200 pairs', { skip: missing('ip') }, (t) => endings(t, 200))
