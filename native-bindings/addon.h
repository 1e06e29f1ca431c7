/*
 * Shared by all files of the addon: the table of the functions that a file exports.
 *
 * Each noun has a file (tap.c, netns.c, …) that ends with its table; addon.c puts all tables into the module's exports.
 * index.ts has the contract of every function. There are no mutable globals: the addon is loaded in the main thread and in worker
 * threads at the same time, each with its own environment.
 */
#ifndef VETHD_ADDON_H
#define VETHD_ADDON_H

#include <node_api.h>

/* One function as JavaScript sees it. A table ends with an entry whose name is NULL. */
struct binding {
  const char *name;
  napi_callback call;
};

extern const struct binding tap_bindings[];
extern const struct binding fd_bindings[];
extern const struct binding watch_bindings[];
extern const struct binding netns_bindings[];
extern const struct binding netns_open_bindings[];
extern const struct binding uring_bindings[];
extern const struct binding memory_bindings[];
extern const struct binding batch_bindings[];
extern const struct binding socket_bindings[];
extern const struct binding peer_bindings[];
extern const struct binding bpf_bindings[];
extern const struct binding thread_bindings[];
extern const struct binding abi_bindings[];

#endif
