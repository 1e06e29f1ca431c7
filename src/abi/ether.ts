/**
 * Ethernet: lengths, EtherTypes, and the packet types that eth_type_trans returns.
 *
 * Source: <linux/if_ether.h>, <linux/if_packet.h>, <linux/if_arp.h>. The C side of the table is
 * native-bindings/abi-names.h; test/abi compares both.
 */
export const ETH_HLEN = 14
export const ETH_MIN_MTU = 68

// EtherTypes. A field value of at least ETH_P_802_3_MIN is a protocol, a lower one is a length.
export const ETH_P_802_3_MIN = 0x600
export const ETH_P_IP = 0x800
export const ETH_P_ARP = 0x806
export const ETH_P_8021Q = 0x8100
export const ETH_P_IPV6 = 0x86dd
export const ETH_P_8021AD = 0x88a8
export const ETH_P_LLDP = 0x88cc

// Protocols without an EtherType of their own.
export const ETH_P_802_3 = 0x1
export const ETH_P_ALL = 0x3
export const ETH_P_802_2 = 0x4

// skb->pkt_type
export const PACKET_HOST = 0
export const PACKET_BROADCAST = 1
export const PACKET_MULTICAST = 2
export const PACKET_OTHERHOST = 3

// ifi_type
export const ARPHRD_ETHER = 1
export const ARPHRD_LOOPBACK = 772
export const ARPHRD_NONE = 65534
