/** ethTypeTrans compared with the cases of eth_type_trans(), net/ethernet/eth.c. */
import t from 'tap'
import {
  ETH_P_802_2,
  ETH_P_802_3,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_LLDP,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from '../../../src/abi/ether.js'
import { ethTypeTrans, packetType, protocol } from '../../../src/frame/ethernet.js'
import { hex } from './fixtures.js'

const FROM = '02 00 00 00 00 0a'

/** What a device with the address f2:00:5e:80:ff:0b makes of a frame, which stands at an odd place. */
function trans(...lines: string[]) {
  const frame = hex(...lines)
  const seen = ethTypeTrans(Uint8Array.of(0xff, ...frame, 0xff, 0xff), 1, frame.length, 0xf200, 0x5e80ff0b)
  return { type: packetType(seen), protocol: protocol(seen) }
}

t.test('the destination decides the packet type', async (t) => {
  const cases: [string, string, number][] = [
    ['the own address is HOST', 'f2 00 5e 80 ff 0b', PACKET_HOST],
    ['another address is OTHERHOST', '02 00 00 00 00 0c', PACKET_OTHERHOST],
    ['the own address but for its first byte', 'f0 00 5e 80 ff 0b', PACKET_OTHERHOST],
    ['the own address but for its second byte', 'f2 01 5e 80 ff 0b', PACKET_OTHERHOST],
    ['the own address but for its third byte', 'f2 00 de 80 ff 0b', PACKET_OTHERHOST],
    ['the own address but for its last byte', 'f2 00 5e 80 ff 0a', PACKET_OTHERHOST],
    ['all ones is BROADCAST', 'ff ff ff ff ff ff', PACKET_BROADCAST],
    ['the group bit is MULTICAST', '01 80 c2 00 00 00', PACKET_MULTICAST],
    ['all ones but for the last bit is MULTICAST', 'ff ff ff ff ff fe', PACKET_MULTICAST],
    ['all ones but for the second byte is MULTICAST', 'ff fe ff ff ff ff', PACKET_MULTICAST],
    ['zero is OTHERHOST', '00 00 00 00 00 00', PACKET_OTHERHOST],
  ]
  for (const [name, dest, type] of cases) t.equal(trans(dest, FROM, '08 00').type, type, name)
})

t.test('a device whose address is all ones takes a broadcast for its own', async (t) => {
  const frame = hex('ff ff ff ff ff ff', FROM, '08 00')
  t.equal(packetType(ethTypeTrans(frame, 0, frame.length, 0xffff, 0xffffffff)), PACKET_HOST)
})

t.test('a device with another broadcast address takes that for a broadcast, if it is a group address', async (t) => {
  const type = (to: string, broadcastHigh: number, broadcastLow: number) => {
    const frame = hex(to, FROM, '08 00')
    return packetType(ethTypeTrans(frame, 0, frame.length, 0xf200, 0x5e80ff0b, broadcastHigh, broadcastLow))
  }
  t.equal(type('03 00 00 00 00 01', 0x0300, 1), PACKET_BROADCAST)
  t.equal(type('ff ff ff ff ff ff', 0x0300, 1), PACKET_MULTICAST)
  t.equal(type('02 00 00 00 00 01', 0x0200, 1), PACKET_OTHERHOST)
})

t.test('an EtherType from 0x0600 on is the protocol, and a VLAN tag is one', async (t) => {
  const cases: [string, number][] = [
    ['08 00', ETH_P_IP],
    ['08 06', ETH_P_ARP],
    ['86 dd', ETH_P_IPV6],
    ['81 00 00 0a 08 00', ETH_P_8021Q],
    ['88 a8 00 64 81 00 00 0a 08 00', ETH_P_8021AD],
    ['88 cc', ETH_P_LLDP],
    ['06 00', 0x0600],
    ['ff ff', 0xffff],
  ]
  for (const [bytes, expected] of cases) t.equal(trans('ff ff ff ff ff ff', FROM, bytes).protocol, expected, bytes)
})

t.test('a length is 802.3 before 0xFFFF and 802.2 before anything else', async (t) => {
  const cases: [string, string, number][] = [
    ['raw IPX', '00 22  ff ff 00 22', ETH_P_802_3],
    ['0xFFFF and nothing behind', '00 02  ff ff', ETH_P_802_3],
    ['LLC of a spanning tree BPDU', '00 26  42 42 03 00', ETH_P_802_2],
    ['SNAP', '00 08  aa aa 03 00 00 00 08 00', ETH_P_802_2],
    ['0xFF and another byte', '00 04  ff fe 03 00', ETH_P_802_2],
    ['the longest length', '05 ff  42 42', ETH_P_802_2],
    ['14 bytes and no more: what lies behind is not the frame', '00 00', ETH_P_802_2],
    ['one byte of payload', '00 01  ff', ETH_P_802_2],
  ]
  for (const [name, bytes, expected] of cases) t.equal(trans('f2 00 5e 80 ff 0b', FROM, bytes).protocol, expected, name)
})
