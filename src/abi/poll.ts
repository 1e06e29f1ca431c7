/**
 * Event bits of poll(2), IORING_OP_POLL_ADD and epoll(7).
 *
 * Source: <poll.h>, <sys/epoll.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const POLLIN = 0x1
export const POLLERR = 0x8
export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLONESHOT = 0x40000000
export const EPOLLET = 0x80000000
