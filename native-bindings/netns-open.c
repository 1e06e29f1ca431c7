/*
 * Opens network namespaces by paths and fds from other processes. Invariant: a file is opened for reading only after it is known
 * to be in nsfs. Until then it is open with O_PATH, which wakes no writer of a FIFO and no driver of a device.
 */
#include "addon.h"
#include "args.h"
#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The call that failed while opening a namespace, with errno set; NULL on success. */
typedef const char *failure;

/* A rename or mount anywhere in the system while ".." is resolved makes openat2 start anew. */
#define OPENAT2_ATTEMPTS 100

static int openat2_path(int dir, const char *path, uint64_t flags, uint64_t resolve) {
  const struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve};
  int fd, attempts = OPENAT2_ATTEMPTS;
  do fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
  while (fd < 0 && errno == EAGAIN && --attempts > 0);
  return fd;
}

static bool is_on(int fd, long filesystem) {
  struct statfs found;
  return fstatfs(fd, &found) == 0 && found.f_type == filesystem;
}

/* Sets `*netns` to a new read-only fd of the network namespace that `fd` refers to. EINVAL if it is not a namespace. */
static failure reopen(int fd, int *netns) {
  char self[32];
  errno = EINVAL;
  if (!is_on(fd, NSFS_MAGIC)) return "fstatfs";
  /* setns and NS_GET_NSTYPE refuse an O_PATH fd */
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  *netns = open(self, O_RDONLY | O_CLOEXEC);
  if (*netns < 0) return "open";
  if (ioctl(*netns, NS_GET_NSTYPE) == CLONE_NEWNET) return NULL;
  close(*netns);
  errno = EINVAL;
  return "ioctl(NS_GET_NSTYPE)";
}

/* The result of every function here: opens the namespace of an O_PATH fd and closes that fd; `call` created the fd. */
static napi_value open_result(napi_env env, int fd, const char *call, const char *path) {
  int netns;
  if (fd < 0) return throw_errno(env, errno, call, "opening the namespace \"%s\"", path);
  failure failed = reopen(fd, &netns);
  fd_close_quietly(fd);
  if (!failed) return result_number(env, netns);
  if (errno != EINVAL) return throw_errno(env, errno, failed, "opening the namespace \"%s\"", path);
  return throw_errno(env, EINVAL, failed, "opening \"%s\", which is no network namespace", path);
}

/* Reads a path; false with an exception pending. */
static bool read_path(struct args *args, size_t index, const char *name, char *path) {
  size_t length = args_string(args, index, name, path, PATH_MAX);
  if (args->failed) return false;
  if (length < PATH_MAX) return true;
  throw_errno(args->env, ENAMETOOLONG, "open", "opening a namespace, a path of %zu bytes", length);
  return false;
}

static napi_value netns_open(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char path[PATH_MAX];
  if (!read_path(&args, 0, "path", path)) return NULL;
  return open_result(env, open(path, O_PATH | O_CLOEXEC), "open", path);
}

static napi_value netns_open_below(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char path[PATH_MAX];
  int root = args_int32(&args, 0, "rootFd");
  if (!read_path(&args, 1, "path", path)) return NULL;
  return open_result(env, openat2_path(root, path, 0, RESOLVE_IN_ROOT), "openat2", path);
}

/* PROCESS/ns of the procfs at /proc below `root`; follows no other mount or link there. */
static int open_ns_folder(int root, const char *folder) {
  int proc = openat2_path(root, "/proc", O_DIRECTORY, RESOLVE_IN_ROOT);
  if (proc < 0) return -1;
  int found = -1;
  errno = ENOENT;
  if (is_on(proc, PROC_SUPER_MAGIC))
    found = openat2_path(proc, folder, O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
  fd_close_quietly(proc);
  return found;
}

static napi_value netns_open_of_process(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char process[64], folder[sizeof process + 3];
  int root = args_int32(&args, 0, "rootFd");
  size_t length = args_string(&args, 1, "process", process, sizeof process);
  if (args.failed) return NULL;
  if (length >= sizeof process) return throw_errno(env, ENAMETOOLONG, "openat2", "opening the namespace of a process");
  snprintf(folder, sizeof folder, "%s/ns", process);
  int ns = open_ns_folder(root, folder);
  if (ns < 0) return throw_errno(env, errno, "openat2", "opening /proc/%s", folder);
  int fd = openat(ns, "net", O_PATH | O_CLOEXEC);
  fd_close_quietly(ns);
  return open_result(env, fd, "openat", folder);
}

static napi_value netns_reopen(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd"), netns;
  if (args.failed) return NULL;
  failure failed = reopen(fd, &netns);
  return failed ? throw_errno(env, errno, failed, "opening the namespace of fd %d", fd) : result_number(env, netns);
}

const struct binding netns_open_bindings[] = {
  {"netnsOpen", netns_open},
  {"netnsOpenBelow", netns_open_below},
  {"netnsOpenOfProcess", netns_open_of_process},
  {"netnsReopen", netns_reopen},
  {0},
};
