/*
 * Network namespaces of the calling thread. Invariant: a thread leaves every function here in the namespace in which it
 * entered. When that cannot be kept the process ends, because whatever ran next would act in the wrong namespace.
 */
#include "addon.h"
#include "args.h"
#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_NETNS "/proc/thread-self/ns/net"

static int open_own(void) { return open(OWN_NETNS, O_RDONLY | O_CLOEXEC); }

/* Enters `home` again and closes it, or aborts. */
static void go_home(int home) {
  if (setns(home, CLONE_NEWNET) < 0) {
    fprintf(stderr, "vethd: setns back to the thread's own network namespace: %s; ending here\n", strerror(errno));
    abort();
  }
  close(home);
}

static napi_value netns_current(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = open_own();
  return fd < 0 ? throw_errno(env, errno, "open", "opening " OWN_NETNS) : result_number(env, fd);
}

static napi_value netns_create(napi_env env, napi_callback_info info) {
  (void)info;
  int home = open_own();
  if (home < 0) return throw_errno(env, errno, "open", "opening " OWN_NETNS);
  if (unshare(CLONE_NEWNET) < 0) {
    fd_close_quietly(home);
    return throw_errno(env, errno, "unshare(CLONE_NEWNET)", "making a network namespace");
  }
  int made = open_own(), error = errno;
  go_home(home);
  return made < 0 ? throw_errno(env, error, "open", "opening the new network namespace") : result_number(env, made);
}

/* Calls `act`; an asynchronous one is refused, because the rest of it would run in another namespace. */
static napi_value call_inside(napi_env env, napi_value act) {
  napi_value global, result;
  bool is_promise = false;
  if (napi_get_global(env, &global) != napi_ok || napi_call_function(env, global, act, 0, NULL, &result) != napi_ok ||
      napi_is_promise(env, result, &is_promise) != napi_ok)
    return throw_napi(env);
  if (is_promise) return throw_type_error(env, "netnsRun: \"act\" must be synchronous, but it returned a promise");
  return result;
}

static napi_value netns_run(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int netns = args_int32(&args, 0, "netnsFd");
  napi_value act = args_function(&args, 1, "act");
  if (args.failed) return NULL;

  int home = open_own();
  if (home < 0) return throw_errno(env, errno, "open", "opening " OWN_NETNS);
  if (setns(netns, CLONE_NEWNET) < 0) {
    fd_close_quietly(home);
    return throw_errno(env, errno, "setns(CLONE_NEWNET)", "entering the network namespace of fd %d", netns);
  }
  napi_value result = call_inside(env, act);
  go_home(home);
  return result;
}

const struct binding netns_bindings[] = {
  {"netnsCreate", netns_create},
  {"netnsCurrent", netns_current},
  {"netnsRun", netns_run},
  {0},
};
