/* The process at the other end of a unix socket, and its files. It is identified by a pidfd, which never refers to another
 * process. */
#include "addon.h"
#include "args.h"
#include "compat.h"
#include "errors.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static napi_value peer_credentials(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
    return throw_errno(env, errno, "getsockopt(SO_PEERCRED)", "asking who is at the other end of fd %d", fd);
  napi_value result = result_object(env);
  if (!result_set_number(env, result, "pid", peer.pid) || !result_set_number(env, result, "uid", peer.uid) ||
      !result_set_number(env, result, "gid", peer.gid))
    return NULL;
  return result;
}

static napi_value peer_pidfd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd"), pidfd;
  if (args.failed) return NULL;
  socklen_t length = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) < 0)
    return throw_errno(env, errno, "getsockopt(SO_PEERPIDFD)", "opening the process at the other end of fd %d", fd);
  return result_number(env, pidfd);
}

static napi_value pidfd_open(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int pid = args_int32(&args, 0, "pid");
  if (args.failed) return NULL;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  return pidfd < 0 ? throw_errno(env, errno, "pidfd_open", "opening process %d", pid) : result_number(env, pidfd);
}

static napi_value pidfd_get_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int pidfd = args_int32(&args, 0, "pidfd");
  int fd = args_int32(&args, 1, "fd");
  if (args.failed) return NULL;
  int taken = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  return taken < 0 ? throw_errno(env, errno, "pidfd_getfd", "taking fd %d of another process", fd)
                   : result_number(env, taken);
}

static napi_value pidfd_get_netns(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int pidfd = args_int32(&args, 0, "pidfd");
  if (args.failed) return NULL;
  int netns = ioctl(pidfd, PIDFD_GET_NET_NAMESPACE, 0);
  return netns < 0 ? throw_errno(env, errno, "ioctl(PIDFD_GET_NET_NAMESPACE)", "opening the namespace of a process")
                   : result_number(env, netns);
}

const struct binding peer_bindings[] = {
  {"peerCredentials", peer_credentials},
  {"peerPidfd", peer_pidfd},
  {"pidfdOpen", pidfd_open},
  {"pidfdGetFd", pidfd_get_fd},
  {"pidfdGetNetns", pidfd_get_netns},
  {0},
};
