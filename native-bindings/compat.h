/*
 * Kernel constants newer than the oldest headers this must build with (Linux 6.0; Debian 12 has 6.1). The values are
 * kernel ABI and never change. vethd finds out by trying whether the running kernel supports them.
 *
 * COMPAT_<name> after each value puts the name into abi().missing, which tells the ABI test that there was no header to compare
 * with. #ifndef cannot test for an enumerator, so those depend on LINUX_VERSION_CODE.
 */
#ifndef VETHD_COMPAT_H
#define VETHD_COMPAT_H

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/virtio_net.h>

/* linux/if_tun.h */
#ifndef IFF_NO_CARRIER /* 6.1 */
#define IFF_NO_CARRIER 0x0040
#define COMPAT_IFF_NO_CARRIER 1
#endif
#ifndef TUN_F_USO4 /* 6.2 */
#define TUN_F_USO4 0x20
#define COMPAT_TUN_F_USO4 1
#endif
#ifndef TUN_F_USO6 /* 6.2 */
#define TUN_F_USO6 0x40
#define COMPAT_TUN_F_USO6 1
#endif
#ifndef TUN_F_UDP_TUNNEL_GSO /* 6.17 */
#define TUN_F_UDP_TUNNEL_GSO 0x080
#define COMPAT_TUN_F_UDP_TUNNEL_GSO 1
#endif
#ifndef TUN_F_UDP_TUNNEL_GSO_CSUM /* 6.17 */
#define TUN_F_UDP_TUNNEL_GSO_CSUM 0x100
#define COMPAT_TUN_F_UDP_TUNNEL_GSO_CSUM 1
#endif

/* linux/virtio_net.h */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#define COMPAT_VIRTIO_NET_HDR_GSO_UDP_L4 1
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 /* 6.17 */
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 0x20
#define COMPAT_VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 1
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 /* 6.17 */
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 0x40
#define COMPAT_VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 1
#endif
#ifndef VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM /* 6.17, and struct virtio_net_hdr_v1_hash_tunnel with it */
#define VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM 8
#define COMPAT_VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM 1
#define VNET_HDR_OUTER_TH_OFFSET 20
#define COMPAT_VNET_HDR_OUTER_TH_OFFSET 1
#define VNET_HDR_INNER_NH_OFFSET 22
#define COMPAT_VNET_HDR_INNER_NH_OFFSET 1
#define VNET_HDR_HASH_TUNNEL_SIZE 24
#define COMPAT_VNET_HDR_HASH_TUNNEL_SIZE 1
#else
#define VNET_HDR_OUTER_TH_OFFSET offsetof(struct virtio_net_hdr_v1_hash_tunnel, outer_th_offset)
#define VNET_HDR_INNER_NH_OFFSET offsetof(struct virtio_net_hdr_v1_hash_tunnel, inner_nh_offset)
#define VNET_HDR_HASH_TUNNEL_SIZE sizeof(struct virtio_net_hdr_v1_hash_tunnel)
#endif

/* netinet/tcp.h, which is glibc's */
#ifndef TH_CWR
#define TH_CWR 0x80
#define COMPAT_TH_CWR 1
#endif

/* asm/socket.h */
#ifndef SO_PEERPIDFD /* 6.5 */
#define SO_PEERPIDFD 77
#define COMPAT_SO_PEERPIDFD 1
#endif

/* linux/pidfd.h, which some versions of glibc cannot include beside <fcntl.h> */
#ifndef PIDFD_GET_NET_NAMESPACE /* 6.11 */
#define PIDFD_GET_NET_NAMESPACE _IO(0xFF, 4)
#define COMPAT_PIDFD_GET_NET_NAMESPACE 1
#endif

/* linux/io_uring.h */
#ifndef IORING_SETUP_NO_SQARRAY /* 6.6 */
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#define COMPAT_IORING_SETUP_NO_SQARRAY 1
#endif

#endif
