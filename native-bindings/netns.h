/* Opens files inside another network namespace, by the namespace thread (netns.c). */
#ifndef VETHD_NETNS_H
#define VETHD_NETNS_H

#include <node_api.h>

/* Instead of an fd: the calling thread's own namespace. */
#define NETNS_OWN (-1)

/* The result: an fd, or -1 with the positive errno and the failed system call. */
struct netns_result {
  int fd;
  int error;
  const char *syscall;
};

/* Opens a file and returns its fd, or -1 with errno and *syscall set. Must not touch Node-API. */
typedef int netns_opener(int argument, const char **syscall);

/*
 * Calls `open` in the network namespace `netns`, which is an fd or NETNS_OWN. The opened file belongs to that namespace,
 * whichever thread uses it. The calling thread does not change its namespace.
 */
struct netns_result netns_open_inside(napi_env env, int netns, netns_opener *open, int argument);

/* Prepares the environment's namespace thread, which starts when it is first needed and ends with the environment. */
napi_status netns_init(napi_env env);

#endif
