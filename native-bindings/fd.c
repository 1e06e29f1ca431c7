/* Functions for any file descriptor: read, write, close, dup, poll, and the eventfd that wakes a waiting thread. */
#include "fd.h"

#include "addon.h"
#include "args.h"
#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Longest transfer of one call, so that a byte count fits the result. */
#define TRANSFER_MAX INT32_MAX

int32_t fd_read(int fd, void *into, size_t length) {
  ssize_t got;
  do got = read(fd, into, length < TRANSFER_MAX ? length : TRANSFER_MAX);
  while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : (int32_t)got;
}

int32_t fd_write(int fd, const void *from, size_t length) {
  ssize_t put;
  do put = write(fd, from, length < TRANSFER_MAX ? length : TRANSFER_MAX);
  while (put < 0 && errno == EINTR);
  return put < 0 ? -errno : (int32_t)put;
}

int32_t fd_writev(int fd, const struct iovec *pieces, int count) {
  ssize_t put;
  do put = writev(fd, pieces, count);
  while (put < 0 && errno == EINTR);
  return put < 0 ? -errno : (int32_t)put;
}

void fd_close_quietly(int fd) {
  int error = errno;
  close(fd);
  errno = error;
}

static napi_value read_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  struct view into = args_bytes(&args, 1, "into");
  return args.failed ? NULL : result_number(env, fd_read(fd, into.data, into.length));
}

static napi_value write_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  struct view from = args_bytes(&args, 1, "from");
  return args.failed ? NULL : result_number(env, fd_write(fd, from.data, from.length));
}

static napi_value close_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  /* EINTR: Linux has closed the descriptor all the same. */
  if (close(fd) < 0 && errno != EINTR) return throw_errno(env, errno, "close", "closing fd %d", fd);
  return NULL;
}

static napi_value duplicate_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? throw_errno(env, errno, "fcntl(F_DUPFD_CLOEXEC)", "duplicating fd %d", fd)
                  : result_number(env, copy);
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* poll(2) of one fd; keeps its deadline if signals interrupt it. Returns events, 0 after the timeout, or a negative errno. */
static int poll_one(int fd, short events, int timeout_ms) {
  struct pollfd one = {.fd = fd, .events = events};
  int64_t deadline = now_ms() + timeout_ms;
  int ready, left = timeout_ms;
  while ((ready = poll(&one, 1, left)) < 0 && errno == EINTR) {
    int64_t rest = deadline - now_ms();
    if (timeout_ms >= 0) left = rest > 0 ? (int)rest : 0;
  }
  if (ready < 0) return -errno;
  return one.revents & POLLNVAL ? -EBADF : one.revents;
}

static napi_value wait_readable(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int timeout_ms = args_int32(&args, 1, "timeoutMs");
  if (args.failed) return NULL;
  int events = poll_one(fd, POLLIN, timeout_ms);
  return events < 0 ? throw_errno(env, -events, "poll", "waiting for fd %d to be readable", fd)
                    : result_bool(env, events != 0);
}

static napi_value eventfd_open(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? throw_errno(env, errno, "eventfd", "making an eventfd") : result_number(env, fd);
}

static napi_value eventfd_signal(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  const uint64_t one = 1;
  int32_t put = fd_write(fd, &one, sizeof one);
  /* EAGAIN: the counter is full, so a waiting thread is woken already. */
  if (put < 0 && put != -EAGAIN) return throw_errno(env, -put, "write", "signalling eventfd %d", fd);
  return NULL;
}

static napi_value eventfd_clear(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  uint64_t count = 0;
  int32_t got = fd_read(fd, &count, sizeof count);
  if (got < 0 && got != -EAGAIN) return throw_errno(env, -got, "read", "clearing eventfd %d", fd);
  return result_number(env, (double)count);
}

const struct binding fd_bindings[] = {
  {"read", read_fd},
  {"write", write_fd},
  {"close", close_fd},
  {"duplicate", duplicate_fd},
  {"waitReadable", wait_readable},
  {"eventfd", eventfd_open},
  {"eventfdSignal", eventfd_signal},
  {"eventfdClear", eventfd_clear},
  {0},
};
