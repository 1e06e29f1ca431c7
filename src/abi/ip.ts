/**
 * IPv4, IPv6, TCP, UDP and ICMP: protocol numbers, flags, and the offsets of header fields.
 *
 * Source: <netinet/in.h>, <netinet/ip.h>, <linux/ipv6.h>, <netinet/tcp.h>, <netinet/udp.h>, <netinet/ip_icmp.h>. The
 * C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const IPPROTO_HOPOPTS = 0
export const IPPROTO_ICMP = 1
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_ROUTING = 43
export const IPPROTO_FRAGMENT = 44
export const IPPROTO_AH = 51
export const IPPROTO_ICMPV6 = 58
export const IPPROTO_NONE = 59
export const IPPROTO_DSTOPTS = 60

// struct iphdr, RFC 791 section 3.1
export const IPHDR_TOS = 1
export const IPHDR_TOT_LEN = 2
export const IPHDR_ID = 4
export const IPHDR_FRAG_OFF = 6
export const IPHDR_TTL = 8
export const IPHDR_PROTOCOL = 9
export const IPHDR_CHECK = 10
export const IPHDR_SADDR = 12
export const IPHDR_DADDR = 16
export const IPHDR_LEN = 20

// Bits of frag_off
export const IP_DF = 0x4000
export const IP_MF = 0x2000
export const IP_OFFMASK = 0x1fff

// struct ipv6hdr, RFC 8200 section 3
export const IPV6HDR_PAYLOAD_LEN = 4
export const IPV6HDR_NEXTHDR = 6
export const IPV6HDR_HOP_LIMIT = 7
export const IPV6HDR_SADDR = 8
export const IPV6HDR_DADDR = 24
export const IPV6HDR_LEN = 40

// struct tcphdr, RFC 9293 section 3.1
export const TCPHDR_SOURCE = 0
export const TCPHDR_DEST = 2
export const TCPHDR_SEQ = 4
export const TCPHDR_ACK_SEQ = 8
export const TCPHDR_FLAGS = 13
export const TCPHDR_WINDOW = 14
export const TCPHDR_CHECK = 16
export const TCPHDR_LEN = 20

// TCPHDR_FLAGS; CWR is defined by RFC 3168
export const TH_FIN = 0x1
export const TH_SYN = 0x2
export const TH_RST = 0x4
export const TH_PUSH = 0x8
export const TH_ACK = 0x10
export const TH_URG = 0x20
export const TH_CWR = 0x80

// struct udphdr, RFC 768
export const UDPHDR_SOURCE = 0
export const UDPHDR_DEST = 2
export const UDPHDR_ULEN = 4
export const UDPHDR_CHECK = 6
export const UDPHDR_LEN = 8

// struct icmphdr, RFC 792; ICMPv6 has its checksum in the same place (RFC 4443 section 2.1)
export const ICMPHDR_CHECK = 2
export const ICMPHDR_LEN = 8
