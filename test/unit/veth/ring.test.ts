/** The number of slots of the ring between a stack and vethd. */
import t from 'tap'
import { ringSlots } from '../../../src/veth/follow/ring.js'

t.test('a full ring holds 16 MB at most, whatever the device sends, and has 256 to 8192 slots', async (t) => {
  const slots: [tso: boolean, mtu: number, slots: number][] = [
    [true, 65521, 256], // super-frames of 64 KB
    [true, 1500, 256],
    [true, 88, 256],
    [true, 87, 8192], // IP cuts them into fragments
    [false, 68, 8192],
    [false, 1500, 4096],
    [false, 9000, 1024],
    [false, 65521, 256],
  ]
  for (const [tso, mtu, expected] of slots) t.equal(ringSlots(tso, mtu), expected, `TSO ${tso}, MTU ${mtu}`)
})
