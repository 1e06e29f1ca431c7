/** A namespace behind a bridge under load for minutes: every byte is right, and every frame is accounted for. */
import t from 'tap'
import { behindBridge } from '../device/harness/behind-bridge.js'
import { missing } from '../device/harness/topology.js'

t.setTimeout(0)
const skip = missing('ip', 'nft', 'ping', 'arping', 'iperf3')

t.test('a namespace behind a bridge', { skip }, (t) => behindBridge(t, { iperf: '-t 10' }))
