/**
 * The features of `ethtool -k` that differ from veth's, each with its reason. All others are compared with veth's one
 * by one. A feature of this list that is equal is a failure too.
 */
const NOT_IN_VNET_HDR = 'struct virtio_net_hdr has no gso_type for it'
const RECEIVE = 'tun_net_init offers no receive features: frames are accepted as written'

export const FEATURES_THAT_DIFFER: Record<string, string> = {
  'rx-checksumming': RECEIVE,
  'rx-vlan-offload': RECEIVE,
  'rx-vlan-stag-hw-parse': RECEIVE,
  highdma: 'tun_net_init does not offer it; tun copies every frame in any case',
  'tx-checksum-sctp': 'NEEDS_CSUM means the Internet checksum, and SCTP has a CRC',
  'tx-sctp-segmentation': NOT_IN_VNET_HDR,
  'tx-gre-segmentation': NOT_IN_VNET_HDR,
  'tx-gre-csum-segmentation': NOT_IN_VNET_HDR,
  'tx-ipxip4-segmentation': NOT_IN_VNET_HDR,
  'tx-ipxip6-segmentation': NOT_IN_VNET_HDR,
  'tx-gso-list': NOT_IN_VNET_HDR,
  'tx-tcp-accecn-segmentation': NOT_IN_VNET_HDR,
  'tx-tcp-mangleid-segmentation': 'a vnet header cannot express constant IP ids, so the kernel segments before it',
}
