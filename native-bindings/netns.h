/* What is opened inside another network namespace, by the namespace thread (netns.c). */
#ifndef VETHD_NETNS_H
#define VETHD_NETNS_H

#include <node_api.h>

/* The calling thread's own namespace, in place of an fd. */
#define NETNS_OWN (-1)

/* What came of it: an fd, or -1 with the positive errno and the system call that failed. */
struct netns_result {
  int fd;
  int error;
  const char *syscall;
};

/* Opens something and returns its fd, or -1 with errno and *syscall set. Must not touch Node-API. */
typedef int netns_opener(int argument, const char **syscall);

/*
 * Calls `open` in the network namespace `netns`: an fd, or NETNS_OWN. What it opens belongs to that namespace from then
 * on, whichever thread uses it. The calling thread stays where it is.
 */
struct netns_result netns_open_inside(napi_env env, int netns, netns_opener *open, int argument);

/* Prepares the environment's namespace thread, which starts when it is first needed and ends with the environment. */
napi_status netns_init(napi_env env);

#endif
