/**
 * struct virtio_net_hdr, the header before every frame of a TAP with IFF_VNET_HDR. Legacy layout: host byte order.
 *
 * Source: <linux/virtio_net.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */

// flags
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 0x1
export const VIRTIO_NET_HDR_F_DATA_VALID = 0x2
export const VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM = 0x8

// gso_type
export const VIRTIO_NET_HDR_GSO_NONE = 0x0
export const VIRTIO_NET_HDR_GSO_TCPV4 = 0x1
export const VIRTIO_NET_HDR_GSO_UDP = 0x3
export const VIRTIO_NET_HDR_GSO_TCPV6 = 0x4
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 0x5
export const VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 = 0x20
export const VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 = 0x40
export const VIRTIO_NET_HDR_GSO_ECN = 0x80

// struct virtio_net_hdr (10 bytes) and virtio_net_hdr_mrg_rxbuf (12 bytes: num_buffers follows).
export const VNET_HDR_FLAGS = 0
export const VNET_HDR_GSO_TYPE = 1
export const VNET_HDR_HDR_LEN = 2
export const VNET_HDR_GSO_SIZE = 4
export const VNET_HDR_CSUM_START = 6
export const VNET_HDR_CSUM_OFFSET = 8
export const VNET_HDR_SIZE = 10
export const VNET_HDR_MRG_RXBUF_SIZE = 12
// struct virtio_net_hdr_v1_hash_tunnel: after the hash, where a UDP tunnel's headers are. Little-endian.
export const VNET_HDR_OUTER_TH_OFFSET = 20
export const VNET_HDR_INNER_NH_OFFSET = 22
export const VNET_HDR_HASH_TUNNEL_SIZE = 24
