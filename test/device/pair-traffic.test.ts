/** A namespace behind a bridge (harness/behind-bridge.ts), with little traffic; test/long/traffic.test.ts has more. */
import t from 'tap'
import { behindBridge } from './harness/behind-bridge.js'
import { DEADLINE_MS, missing } from './harness/topology.js'

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'nft', 'ping', 'arping', 'iperf3')

t.test('a namespace behind a bridge', { skip }, (t) => behindBridge(t, { iperf: '-n 100M' }))
