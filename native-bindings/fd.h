/* System calls on file descriptors. They are repeated if a signal interrupts them. */
#ifndef VETHD_FD_H
#define VETHD_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Return the number of bytes, or a negative errno. */
int32_t fd_read(int fd, void *into, size_t length);
int32_t fd_write(int fd, const void *from, size_t length);
int32_t fd_writev(int fd, const struct iovec *pieces, int count);

/* Closes the fd and preserves errno. */
void fd_close_quietly(int fd);

#endif
