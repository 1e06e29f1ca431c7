/**
 * Netlink's own layer: message and attribute headers, flags, acknowledgements, socket options.
 *
 * Source: <linux/netlink.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */

// protocols
export const NETLINK_ROUTE = 0

// setsockopt(SOL_NETLINK)
export const NETLINK_ADD_MEMBERSHIP = 1
export const NETLINK_LISTEN_ALL_NSID = 8
export const NETLINK_CAP_ACK = 10

// struct nlmsghdr
export const NLMSGHDR_LEN = 0
export const NLMSGHDR_TYPE = 4
export const NLMSGHDR_FLAGS = 6
export const NLMSGHDR_SEQ = 8
export const NLMSGHDR_PID = 12
export const NLMSGHDR_SIZE = 16

// nlmsg_type below NLMSG_MIN_TYPE
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_ALIGNTO = 4

// nlmsg_flags
export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10

// … of a GET request
export const NLM_F_DUMP = 0x300

// … of a NEW request
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400

// … of an acknowledgement
export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200

// struct nlmsgerr: the error (0 or a negative errno), then the header of the request
export const NLMSGERR_ERROR = 0
export const NLMSGERR_MSG = 4
export const NLMSGERR_SIZE = 20

// attributes of an acknowledgement (NETLINK_EXT_ACK)
export const NLMSGERR_ATTR_MSG = 1

// struct nlattr
export const NLATTR_LEN = 0
export const NLATTR_TYPE = 2
export const NLATTR_SIZE = 4
export const NLA_ALIGNTO = 4
export const NLA_F_NESTED = 0x8000
export const NLA_F_NET_BYTEORDER = 0x4000
