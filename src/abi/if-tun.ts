/**
 * TUN/TAP: the flags of TUNSETIFF and the offloads of TUNSETOFFLOAD. The ioctl numbers themselves stay in
 * native-bindings/tap.c.
 *
 * Source: <linux/if_tun.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */

// TUNSETIFF, ifr_flags.
export const IFF_TAP = 0x2
export const IFF_NAPI = 0x10
export const IFF_NO_CARRIER = 0x40
export const IFF_MULTI_QUEUE = 0x100
export const IFF_NO_PI = 0x1000
export const IFF_VNET_HDR = 0x4000
export const IFF_TUN_EXCL = 0x8000

// TUNSETOFFLOAD: offloads that the reader of the fd accepts. USO4 and USO6 are valid only together.
export const TUN_F_CSUM = 0x1
export const TUN_F_TSO4 = 0x2
export const TUN_F_TSO6 = 0x4
export const TUN_F_TSO_ECN = 0x8
export const TUN_F_USO4 = 0x20
export const TUN_F_USO6 = 0x40
/** Valid only with TSO or USO; _CSUM is valid only with the other. */
export const TUN_F_UDP_TUNNEL_GSO = 0x80
export const TUN_F_UDP_TUNNEL_GSO_CSUM = 0x100
