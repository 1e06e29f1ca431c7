/**
 * A pair on a kernel before 6.17, whose TAP supports no super-frames in UDP tunnels: the vnet header has 12 bytes, and
 * the sender's kernel segments what it sends through a tunnel. The test makes the probe treat the running kernel as
 * such a kernel.
 */
import t from 'tap'
import { native } from '../../native-bindings/index.js'
import { TUN_F_UDP_TUNNEL_GSO, TUN_F_UDP_TUNNEL_GSO_CSUM } from '../../src/abi/if-tun.js'
import { VNET_HDR_MRG_RXBUF_SIZE } from '../../src/abi/virtio-net.js'
import { changeDevice } from '../../src/veth/change.js'
import { Bed } from './harness/link-bed.js'
import { missing } from './harness/topology.js'
import { ping, serveTransfers, transfer } from './harness/traffic.js'

const TEN_MEGABYTES = 10_000_000
/** Payload of a segment of an MTU of 1500. */
const SEGMENT = 1448

const skip = missing('ip', 'ping', 'ethtool', 'python3')
t.setTimeout(60_000)

for (const engine of ['uring', 'poll'] as const)
  t.test(`a header of 12 bytes, ${engine}`, { skip }, async (t) => {
    const bed = await Bed.open(t, engine, TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM)
    t.equal(bed.context.vnetHdrLen, VNET_HDR_MRG_RXBUF_SIZE)
    const homes = [await bed.namespace('one'), await bed.namespace('two')]
    const [one, two] = homes
    const pair = await bed.add({ name: 'v1', netnsFd: one.fd }, { name: 'v2', netnsFd: two.fd })
    for (const device of pair.devices) {
      changeDevice(device, { up: true })
      native().tapSetCarrier(device.fd, true)
    }
    for (const [i, { ns }] of homes.entries()) {
      await ns.do(`ip addr add 10.9.0.${i + 1}/24 dev v${i + 1}`)
      await ns.do(
        `ip link add x0 type vxlan id 7 dev v${i + 1} local 10.9.0.${i + 1} remote 10.9.0.${2 - i} dstport 4789`,
      )
      await ns.do(`ip addr add 10.0.0.${i + 1}/24 dev x0`)
      await ns.do('ip link set x0 up')
    }
    t.match(await one.ns.do('ethtool -k v1'), /tx-udp_tnl-segmentation: off/)
    await serveTransfers(two.ns)
    for (const [address, cutUp] of [
      ['10.9.0.2', false],
      ['10.0.0.2', true],
    ] as const) {
      await ping(one.ns, address)
      const before = one.link('v1').stats.txPackets
      await transfer(one.ns, 'tcp', address, TEN_MEGABYTES)
      const sent = Number(one.link('v1').stats.txPackets - before)
      if (cutUp) t.ok(sent > TEN_MEGABYTES / SEGMENT, `through a tunnel: ${sent} frames`)
      else t.ok(sent < TEN_MEGABYTES / SEGMENT / 2, `plain: ${sent} frames`)
      await transfer(one.ns, 'udp', address, 100)
    }
  })
