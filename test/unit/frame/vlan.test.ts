/** Skipping VLAN tags. */
import t from 'tap'
import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP } from '../../../src/abi/ether.js'
import { vlanNetworkOffset, vlanProtocol, vlanTags, vlanWalk } from '../../../src/frame/vlan.js'
import { ICMP_FRAME, TAG_8021AD, TAG_8021Q, tagged } from './fixtures.js'

function walk(frame: Uint8Array, len = frame.length) {
  const seen = vlanWalk(Uint8Array.of(0, 0, 0, ...frame), 3, len)
  return [vlanTags(seen), vlanProtocol(seen), vlanNetworkOffset(seen)]
}

t.test('a frame without a tag has its network header behind the Ethernet header', async (t) => {
  t.same(walk(ICMP_FRAME), [0, ETH_P_IP, 14])
})

t.test('one and two tags are passed, in any order of their types', async (t) => {
  t.same(walk(tagged(ICMP_FRAME, TAG_8021Q)), [1, ETH_P_IP, 18])
  t.same(walk(tagged(ICMP_FRAME, TAG_8021AD)), [1, ETH_P_IP, 18])
  t.same(walk(tagged(ICMP_FRAME, TAG_8021AD, TAG_8021Q)), [2, ETH_P_IP, 22])
  t.same(walk(tagged(ICMP_FRAME, TAG_8021Q, TAG_8021Q)), [2, ETH_P_IP, 22])
})

t.test('a third tag is the protocol', async (t) => {
  t.same(walk(tagged(ICMP_FRAME, TAG_8021AD, TAG_8021Q, TAG_8021Q)), [2, ETH_P_8021Q, 22])
})

t.test('a tag that the end of the frame cuts off is the protocol', async (t) => {
  const frame = tagged(ICMP_FRAME, TAG_8021AD, TAG_8021Q)
  t.same(walk(frame, 14), [0, ETH_P_8021AD, 14])
  t.same(walk(frame, 17), [0, ETH_P_8021AD, 14])
  t.same(walk(frame, 18), [1, ETH_P_8021Q, 18])
  t.same(walk(frame, 21), [1, ETH_P_8021Q, 18])
  t.same(walk(frame, 22), [2, ETH_P_IP, 22])
})
