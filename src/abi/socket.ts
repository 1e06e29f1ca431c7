/**
 * Address families.
 *
 * Source: <sys/socket.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const AF_UNSPEC = 0
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17
