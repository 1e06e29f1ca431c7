/*
 * The ABI table: the value of every constant and offset of abi-names.h in the C headers. A test compares the numbers that
 * TypeScript uses with it.
 */
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/epoll.h>
#include <poll.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/if.h>
#include <linux/net_namespace.h>
#include <linux/pkt_sched.h>
#include <linux/ethtool.h>
#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/capability.h>
#include <stddef.h>

#include "addon.h"
#include "args.h"
#include "compat.h"
#include "errors.h"

/* 1 if the macro `x` is defined as 1, else 0: the kernel's __is_defined() (linux/kconfig.h). */
#define PLACEHOLDER_1 0,
#define SECOND(ignored, value, ...) value
#define IS_ONE(x) IS_ONE_(x)
#define IS_ONE_(value) IS_ONE__(PLACEHOLDER_##value)
#define IS_ONE__(junk_or_comma) SECOND(junk_or_comma 1, 0, 0)

struct abi_entry {
  const char *name;
  double value;
  bool missing; /* the headers lack it; the value is from compat.h */
};

#define ABI_CONSTANT(NAME) {#NAME, (double)(NAME), IS_ONE(COMPAT_##NAME)},
#define ABI_SIZEOF(NAME, TYPE) {#NAME, sizeof(TYPE), false},
#define ABI_OFFSETOF(NAME, TYPE, FIELD) {#NAME, offsetof(TYPE, FIELD), false},

static const struct abi_entry entries[] = {
#include "abi-names.h"
};

#define ENTRY_COUNT (sizeof entries / sizeof *entries)

static napi_value create_values(napi_env env) {
  napi_value values = result_object(env);
  if (!values) return NULL;
  for (size_t i = 0; i < ENTRY_COUNT; i++)
    if (!result_set_number(env, values, entries[i].name, entries[i].value)) return NULL;
  return values;
}

static napi_value create_missing(napi_env env) {
  napi_value missing, name;
  uint32_t count = 0;
  if (napi_create_array(env, &missing) != napi_ok) return throw_napi(env);
  for (size_t i = 0; i < ENTRY_COUNT; i++) {
    if (!entries[i].missing) continue;
    if (napi_create_string_utf8(env, entries[i].name, NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_set_element(env, missing, count++, name) != napi_ok)
      return throw_napi(env);
  }
  return missing;
}

static napi_value abi(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value table = result_object(env);
  if (!table || !result_set(env, table, "values", create_values(env)) ||
      !result_set(env, table, "missing", create_missing(env)))
    return NULL;
  return table;
}

const struct binding abi_bindings[] = {{"abi", abi}, {0}};
