/**
 * Event bits of poll(2), IORING_OP_POLL_ADD and epoll(7).
 *
 * Source: <poll.h>, <sys/epoll.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const POLLIN = 0x1
export const POLLPRI = 0x2
export const POLLOUT = 0x4
export const POLLERR = 0x8
export const POLLHUP = 0x10
export const POLLNVAL = 0x20
export const POLLRDHUP = 0x2000
export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
export const EPOLLEXCLUSIVE = 0x10000000
export const EPOLLONESHOT = 0x40000000
export const EPOLLET = 0x80000000
