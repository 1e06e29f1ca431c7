/* Sockets that Node does not have: netlink, AF_UNIX datagrams with file descriptors, SIOCETHTOOL. */
#include "addon.h"
#include "args.h"
#include "errors.h"
#include "fd.h"
#include "netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int set_option(int fd, int option, int value) {
  return setsockopt(fd, SOL_NETLINK, option, &value, sizeof value);
}

/* Acknowledgements with the kernel's error text and without a copy of the request; strict checking since Linux 4.20. */
static int set_up_netlink(int fd) {
  struct sockaddr_nl any = {.nl_family = AF_NETLINK};
  if (set_option(fd, NETLINK_EXT_ACK, 1) < 0 || set_option(fd, NETLINK_CAP_ACK, 1) < 0) return -1;
  if (set_option(fd, NETLINK_GET_STRICT_CHK, 1) < 0 && errno != ENOPROTOOPT) return -1;
  return bind(fd, (struct sockaddr *)&any, sizeof any);
}

static int open_netlink(int protocol, const char **syscall) {
  *syscall = "socket(AF_NETLINK)";
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -1;
  *syscall = "setsockopt or bind";
  if (set_up_netlink(fd) == 0) return fd;
  fd_close_quietly(fd);
  return -1;
}

static napi_value netlink_open(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int protocol = args_int32(&args, 0, "protocol");
  int netns = args_int32(&args, 1, "netnsFd");
  if (args.failed) return NULL;
  struct netns_result opened = netns_open_inside(env, netns, open_netlink, protocol);
  return opened.fd < 0 ? throw_errno(env, opened.error, opened.syscall,
                                     "opening a netlink socket of protocol %d in the network namespace of fd %d",
                                     protocol, netns)
                       : result_number(env, opened.fd);
}

static napi_value netlink_set_option(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int option = args_int32(&args, 1, "option");
  int value = args_int32(&args, 2, "value");
  if (args.failed) return NULL;
  if (set_option(fd, option, value) < 0)
    return throw_errno(env, errno, "setsockopt(SOL_NETLINK)", "setting netlink option %d to %d", option, value);
  return NULL;
}

static napi_value socket_set_receive_buffer(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int bytes = args_int32(&args, 1, "bytes");
  if (args.failed) return NULL;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0)
    return throw_errno(env, errno, "setsockopt(SO_RCVBUF)", "giving fd %d a receive buffer of %d bytes", fd, bytes);
  return NULL;
}

static napi_value netlink_send(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  struct view message = args_bytes(&args, 1, "message");
  if (args.failed) return NULL;
  const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(fd, message.data, message.length, 0, (const struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return throw_errno(env, errno, "sendto", "sending %zu bytes to netlink", message.length);
  return NULL;
}

/* The namespace a message came from; -1, the kernel's NETNSA_NSID_NOT_ASSIGNED, when it is the socket's own. */
static int nsid_of(struct msghdr *header) {
  for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
    if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
    int nsid;
    memcpy(&nsid, CMSG_DATA(control), sizeof nsid);
    return nsid;
  }
  return -1;
}

/* The next message of the kernel: bytes, or a negative errno; -EMSGSIZE when it did not fit and is lost. */
static int32_t receive_from_kernel(int fd, struct view into, int *nsid) {
  for (;;) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int)) * 4];
    struct sockaddr_nl from = {0};
    struct iovec part = {.iov_base = into.data, .iov_len = into.length};
    struct msghdr header = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                            .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &header, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (from.nl_pid != 0) continue; /* other processes can write to this socket; only messages of the kernel count */
    if (header.msg_flags & MSG_TRUNC) return -EMSGSIZE;
    *nsid = nsid_of(&header);
    return (int32_t)got;
  }
}

static napi_value netlink_receive(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  struct view into = args_bytes(&args, 1, "into");
  if (args.failed) return NULL;
  int nsid = -1;
  int32_t length = receive_from_kernel(fd, into, &nsid);
  napi_value result = result_object(env);
  if (!result_set_number(env, result, "length", length) || !result_set_number(env, result, "nsid", nsid)) return NULL;
  return result;
}

/* Most file descriptors of one message: SCM_MAX_FD in include/net/scm.h. */
#define SCM_FDS_MAX 253
/* A receiver that does not read (PID 1 while it reloads) may hold a sender this long. */
#define SEND_TIMEOUT_S 5

/* Reads an array of numbers; the count, or -1 with an exception pending. */
static int read_fds(struct args *args, size_t index, const char *name, int *fds) {
  uint32_t count = 0;
  if (args->failed) return -1;
  if (napi_get_array_length(args->env, args->value[index], &count) != napi_ok || count > SCM_FDS_MAX) {
    args_refuse(args, name, "an array of at most 253 file descriptors");
    return -1;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    if (napi_get_element(args->env, args->value[index], i, &element) != napi_ok ||
        napi_get_value_int32(args->env, element, &fds[i]) != napi_ok) {
      args_refuse(args, name, "an array of file descriptors");
      return -1;
    }
  }
  return (int)count;
}

/* A leading @ means the NUL of the abstract namespace. Returns the length, or 0 if the path is too long. */
static socklen_t unix_address(struct sockaddr_un *address, const char *path, size_t length) {
  if (length == 0 || length >= sizeof address->sun_path) return 0;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, length);
  if (path[0] != '@') return sizeof *address;
  address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int send_with_fds(int socket, struct msghdr *header, const int *fds, int count) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))] = {0};
  if (count > 0) {
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(header);
    *rights = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN((size_t)count * sizeof(int))};
    memcpy(CMSG_DATA(rights), fds, (size_t)count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -1 : 0;
}

static napi_value unix_send_datagram(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char path[sizeof((struct sockaddr_un){0}).sun_path];
  int fds[SCM_FDS_MAX];
  size_t path_length = args_string(&args, 0, "path", path, sizeof path);
  struct view message = args_bytes(&args, 1, "message");
  int count = read_fds(&args, 2, "fds", fds);
  if (args.failed) return NULL;

  struct sockaddr_un address;
  socklen_t address_length = unix_address(&address, path, path_length);
  if (!address_length)
    return throw_errno(env, path_length ? ENAMETOOLONG : EINVAL, "sendmsg", "sending to the unix socket \"%s\"", path);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return throw_errno(env, errno, "socket(AF_UNIX)", "sending to the unix socket \"%s\"", path);

  const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
  struct iovec part = {.iov_base = message.data, .iov_len = message.length};
  struct msghdr header = {.msg_name = &address, .msg_namelen = address_length, .msg_iov = &part, .msg_iovlen = 1};
  int sent = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (sent == 0) sent = send_with_fds(fd, &header, fds, count);
  fd_close_quietly(fd);
  return sent < 0 ? throw_errno(env, errno, "sendmsg", "sending to the unix socket \"%s\"", path) : NULL;
}

/*
 * Only the kernel knows how much an ethtool command writes (it depends on counts inside the struct). Therefore the command works
 * on a copy with this much extra room; bytes beyond the caller's array are discarded.
 */
#define ETHTOOL_ROOM 65536

static napi_value ethtool(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  struct ifreq request = {0};
  int socket = args_int32(&args, 0, "socket");
  size_t length = args_name(&args, 1, "name", request.ifr_name, sizeof request.ifr_name);
  struct view command = args_bytes(&args, 2, "command");
  if (!args.failed && command.length < sizeof(uint32_t)) args_refuse(&args, "command", "a struct ethtool_*");
  if (args.failed) return NULL;
  if (length >= sizeof request.ifr_name)
    return throw_errno(env, ENODEV, "ioctl(SIOCETHTOOL)", "ethtool command of \"%s…\", a name of %zu bytes",
                       request.ifr_name, length);

  char *copy = calloc(1, command.length + ETHTOOL_ROOM);
  if (!copy) return throw_errno(env, ENOMEM, "calloc", "asking ethtool about \"%s\"", request.ifr_name);
  memcpy(copy, command.data, command.length);
  request.ifr_data = copy;
  int result = ioctl(socket, SIOCETHTOOL, &request), error = errno;
  if (result == 0) memcpy(command.data, copy, command.length);
  free(copy);
  if (result < 0) {
    uint32_t number;
    memcpy(&number, command.data, sizeof number);
    return throw_errno(env, error, "ioctl(SIOCETHTOOL)", "ethtool command 0x%x of \"%s\"", number, request.ifr_name);
  }
  return NULL;
}

const struct binding socket_bindings[] = {
  {"netlinkOpen", netlink_open},
  {"netlinkSetOption", netlink_set_option},
  {"socketSetReceiveBuffer", socket_set_receive_buffer},
  {"netlinkSend", netlink_send},
  {"netlinkReceive", netlink_receive},
  {"unixSendDatagram", unix_send_datagram},
  {"ethtool", ethtool},
  {0},
};
