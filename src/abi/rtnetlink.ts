/**
 * Rtnetlink: links, addresses, qdiscs and namespace ids.
 *
 * Source: <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>, <linux/if.h>, <linux/net_namespace.h>,
 * <linux/pkt_sched.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */

// messages
export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWQDISC = 36
export const RTM_DELQDISC = 37
export const RTM_NEWNSID = 88
export const RTM_DELNSID = 89
export const RTM_GETNSID = 90
export const RTM_GETSTATS = 94

// multicast groups
export const RTNLGRP_LINK = 1
export const RTNLGRP_TC = 4
export const RTNLGRP_NSID = 28

// struct ifinfomsg
export const IFINFOMSG_FAMILY = 0
export const IFINFOMSG_TYPE = 2
export const IFINFOMSG_INDEX = 4
export const IFINFOMSG_FLAGS = 8
export const IFINFOMSG_CHANGE = 12
export const IFINFOMSG_SIZE = 16

// ifi_flags
export const IFF_UP = 0x1
export const IFF_BROADCAST = 0x2
export const IFF_DEBUG = 0x4
export const IFF_LOOPBACK = 0x8
export const IFF_POINTOPOINT = 0x10
export const IFF_NOTRAILERS = 0x20
export const IFF_RUNNING = 0x40
export const IFF_NOARP = 0x80
export const IFF_PROMISC = 0x100
export const IFF_ALLMULTI = 0x200
export const IFF_MASTER = 0x400
export const IFF_SLAVE = 0x800
export const IFF_MULTICAST = 0x1000
export const IFF_PORTSEL = 0x2000
export const IFF_AUTOMEDIA = 0x4000
export const IFF_DYNAMIC = 0x8000
export const IFF_LOWER_UP = 0x10000
export const IFF_DORMANT = 0x20000
export const IFF_ECHO = 0x40000

// The buffer of an interface name, with its NUL
export const IFNAMSIZ = 16

// link attributes
export const IFLA_ADDRESS = 1
export const IFLA_BROADCAST = 2
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_LINK = 5
export const IFLA_QDISC = 6
export const IFLA_MASTER = 10
export const IFLA_TXQLEN = 13
export const IFLA_OPERSTATE = 16
export const IFLA_LINKMODE = 17
export const IFLA_LINKINFO = 18
export const IFLA_IFALIAS = 20
export const IFLA_STATS64 = 23
export const IFLA_AF_SPEC = 26
export const IFLA_GROUP = 27
export const IFLA_NET_NS_FD = 28
export const IFLA_EXT_MASK = 29
export const IFLA_PROMISCUITY = 30
export const IFLA_NUM_TX_QUEUES = 31
export const IFLA_NUM_RX_QUEUES = 32
export const IFLA_CARRIER = 33
export const IFLA_CARRIER_CHANGES = 35
export const IFLA_LINK_NETNSID = 37
export const IFLA_GSO_MAX_SEGS = 40
export const IFLA_GSO_MAX_SIZE = 41
export const IFLA_XDP = 43
export const IFLA_TARGET_NETNSID = 46
export const IFLA_NEW_IFINDEX = 49
export const IFLA_MIN_MTU = 50
export const IFLA_MAX_MTU = 51
export const IFLA_PROP_LIST = 52
export const IFLA_ALT_IFNAME = 53
export const IFLA_PERM_ADDRESS = 54
export const IFLA_GRO_MAX_SIZE = 58
export const IFLA_TSO_MAX_SIZE = 59
export const IFLA_TSO_MAX_SEGS = 60
export const IFLA_ALLMULTI = 61

// in IFLA_XDP
export const IFLA_XDP_DRV_PROG_ID = 5
export const IFLA_XDP_SKB_PROG_ID = 6

// in IFLA_LINKINFO
export const IFLA_INFO_KIND = 1
export const IFLA_INFO_DATA = 2
export const IFLA_INFO_SLAVE_KIND = 4

// in IFLA_AF_SPEC, AF_INET6
export const IFLA_INET6_ADDR_GEN_MODE = 8

// in IFLA_INFO_DATA of kind tun
export const IFLA_TUN_OWNER = 1
export const IFLA_TUN_GROUP = 2
export const IFLA_TUN_TYPE = 3
export const IFLA_TUN_PI = 4
export const IFLA_TUN_VNET_HDR = 5
export const IFLA_TUN_PERSIST = 6
export const IFLA_TUN_MULTI_QUEUE = 7
export const IFLA_TUN_NUM_QUEUES = 8
export const IFLA_TUN_NUM_DISABLED_QUEUES = 9

// in IFLA_EXT_MASK
export const RTEXT_FILTER_SKIP_STATS = 8

// struct if_stats_msg
export const IF_STATS_MSG_IFINDEX = 4
export const IF_STATS_MSG_FILTER_MASK = 8
export const IF_STATS_MSG_SIZE = 12
export const IFLA_STATS_LINK_64 = 1

// struct ifaddrmsg
export const IFADDRMSG_FAMILY = 0
export const IFADDRMSG_PREFIXLEN = 1
export const IFADDRMSG_FLAGS = 2
export const IFADDRMSG_SCOPE = 3
export const IFADDRMSG_INDEX = 4
export const IFADDRMSG_SIZE = 8
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_FLAGS = 8
export const IFA_F_NODAD = 0x2

// struct tcmsg
export const TCMSG_IFINDEX = 4
export const TCMSG_HANDLE = 8
export const TCMSG_PARENT = 12
export const TCMSG_SIZE = 20
export const TCA_KIND = 1
export const TC_H_ROOT = 0xffffffff

// namespace ids
export const NETNSA_NSID = 1
export const NETNSA_FD = 3
export const NETNSA_NSID_NOT_ASSIGNED = -1
