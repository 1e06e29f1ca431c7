/*
 * TAP devices: /dev/net/tun and its ioctls (drivers/net/tun.c). A TAP fd belongs to the network namespace in which
 * /dev/net/tun was opened. EBADFD means that the device is gone.
 */
#include "addon.h"
#include "args.h"
#include "compat.h"
#include "errors.h"
#include "fd.h"
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

static int open_tun(int unused, const char **syscall) {
  (void)unused;
  *syscall = "open";
  return open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static napi_value tap_open(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  struct ifreq request = {0};
  size_t length = args_string(&args, 0, "name", request.ifr_name, sizeof request.ifr_name);
  uint32_t flags = args_bits(&args, 1, "flags");
  int netns = args_int32(&args, 2, "netnsFd");
  if (flags > UINT16_MAX) args_refuse(&args, "flags", "a mask of the 16 bits that ifr_flags holds");
  if (args.failed) return NULL;
  if (length >= sizeof request.ifr_name)
    return throw_errno(env, ENAMETOOLONG, "ioctl(TUNSETIFF)", "opening the TAP device \"%s…\", a name of %zu bytes",
                       request.ifr_name, length);

  struct netns_result opened = netns_open_inside(env, netns, open_tun, 0);
  if (opened.fd < 0) return throw_errno(env, opened.error, opened.syscall, "opening /dev/net/tun");
  int fd = opened.fd;
  char name[IFNAMSIZ];
  memcpy(name, request.ifr_name, sizeof name);
  request.ifr_flags = (short)flags;
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    fd_close_quietly(fd);
    return throw_errno(env, errno, "ioctl(TUNSETIFF)", "opening the TAP device \"%s\"", name);
  }
  return result_number(env, fd);
}

static napi_value tap_get_interface(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  struct ifreq request = {0};
  if (ioctl(fd, TUNGETIFF, &request) < 0)
    return throw_errno(env, errno, "ioctl(TUNGETIFF)", "asking for the name of TAP fd %d", fd);

  napi_value interface = result_object(env);
  if (!result_set_bytes(env, interface, "name", request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ)) ||
      !result_set_number(env, interface, "flags", (uint16_t)request.ifr_flags))
    return NULL;
  return interface;
}

static napi_value tap_get_features(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  unsigned int features = 0;
  if (ioctl(fd, TUNGETFEATURES, &features) < 0)
    return throw_errno(env, errno, "ioctl(TUNGETFEATURES)", "asking tun for its features, fd %d", fd);
  return result_number(env, features);
}

static napi_value tap_set_vnet_hdr_size(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int bytes = args_int32(&args, 1, "bytes");
  if (args.failed) return NULL;
  if (ioctl(fd, TUNSETVNETHDRSZ, &bytes) < 0)
    return throw_errno(env, errno, "ioctl(TUNSETVNETHDRSZ)", "setting the vnet header of TAP fd %d to %d bytes", fd,
                       bytes);
  return NULL;
}

static napi_value tap_set_offload(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  uint32_t mask = args_bits(&args, 1, "mask");
  if (args.failed) return NULL;
  if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)mask) < 0)
    return throw_errno(env, errno, "ioctl(TUNSETOFFLOAD)", "setting the offloads of TAP fd %d to 0x%x", fd, mask);
  return NULL;
}

static napi_value tap_set_carrier(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int on = args_bool(&args, 1, "on");
  if (args.failed) return NULL;
  if (ioctl(fd, TUNSETCARRIER, &on) < 0)
    return throw_errno(env, errno, "ioctl(TUNSETCARRIER)", "turning the carrier of TAP fd %d %s", fd,
                       on ? "on" : "off");
  return NULL;
}

static napi_value tap_get_netns(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  if (args.failed) return NULL;
  int netns = ioctl(fd, TUNGETDEVNETNS, 0); /* close-on-exec: open_related_ns() in fs/nsfs.c */
  /* EINVAL: the namespace is being deleted (get_net_ns() in net/core/net_namespace.c), and the device goes with it */
  if (netns < 0 && errno == EINVAL) errno = EBADFD;
  return netns < 0 ? throw_errno(env, errno, "ioctl(TUNGETDEVNETNS)", "asking for the namespace of TAP fd %d", fd)
                   : result_number(env, netns);
}

static napi_value tap_set_filter(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  int program = args_int32(&args, 1, "programFd");
  if (args.failed) return NULL;
  if (ioctl(fd, TUNSETFILTEREBPF, &program) < 0)
    return throw_errno(env, errno, "ioctl(TUNSETFILTEREBPF)", "setting the filter of TAP fd %d to program fd %d", fd,
                       program);
  return NULL;
}

const struct binding tap_bindings[] = {
  {"tapOpen", tap_open},
  {"tapGetInterface", tap_get_interface},
  {"tapGetFeatures", tap_get_features},
  {"tapSetVnetHdrSize", tap_set_vnet_hdr_size},
  {"tapSetOffload", tap_set_offload},
  {"tapSetCarrier", tap_set_carrier},
  {"tapGetNetns", tap_get_netns},
  {"tapSetFilter", tap_set_filter},
  {0},
};
