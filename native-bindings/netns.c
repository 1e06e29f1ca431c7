/*
 * Network namespaces, and the one thread that enters them.
 *
 *     a Node thread ── netns_open_inside() ──▶ namespace thread: setns, open, setns back ──▶ fd
 *                   ◀───────────── waits ─────────────────────────────────────────────────┘
 *
 * /proc/PID/ns/net is the namespace of PID's thread group leader. `ip netns pids NS | xargs kill`, lsns and podman use it.
 * Therefore Node's threads never change their namespace: otherwise these tools would regard the process as one of the user's
 * namespace. Only opening needs to happen inside a namespace: a socket or a tun file belongs to the namespace in which it was
 * opened, and any thread can use it afterwards.
 *
 * Each environment (the main thread, a Worker) that opens such files has its own namespace thread. Between tasks that thread is
 * in the namespace of the process, so that it keeps no other namespace alive.
 */
#include "netns.h"

#include "addon.h"
#include "args.h"
#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_NETNS "/proc/thread-self/ns/net"
/* Enough for libc and two system calls. */
#define STACK_BYTES (128 * 1024)
/* Instead of a namespace's fd: create a new namespace. */
#define NETNS_NEW (-2)

struct task {
  int netns;
  netns_opener *open;
  int argument;
  struct netns_result result;
};

/* All fields but `thread` and `runs`, which only the environment's own thread uses, are under `lock`. */
struct namespace_thread {
  pthread_t thread;
  bool runs;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct task *task; /* NULL if there is no task, or it is done */
  bool ending;
  bool stranded; /* the thread could not return to its own namespace, and accepts no more tasks */
};

static int open_own(void) { return open(OWN_NETNS, O_RDONLY | O_CLOEXEC); }

static int open_own_netns(int unused, const char **syscall) {
  (void)unused;
  *syscall = "open";
  return open_own();
}

/* Moves the calling thread to a namespace. It is never the thread group leader. */
static int enter(int netns, const char **syscall_name) {
  if (syscall(SYS_gettid) == getpid()) {
    *syscall_name = "setns on the thread group leader";
    errno = EDEADLK;
    return -1;
  }
  *syscall_name = netns == NETNS_NEW ? "unshare(CLONE_NEWNET)" : "setns(CLONE_NEWNET)";
  return netns == NETNS_NEW ? unshare(CLONE_NEWNET) : setns(netns, CLONE_NEWNET);
}

static struct netns_result open_here(netns_opener *open, int argument) {
  struct netns_result result = {.syscall = "open"};
  result.fd = open(argument, &result.syscall);
  result.error = result.fd < 0 ? errno : 0;
  return result;
}

/* Whether the thread is back in its own namespace. */
static bool carry_out(struct task *task) {
  struct netns_result *result = &task->result;
  int home = open_own();
  if (home < 0) {
    *result = (struct netns_result){.fd = -1, .error = errno, .syscall = "open"};
    return true;
  }
  bool is_home = true;
  *result = (struct netns_result){.fd = -1};
  if (enter(task->netns, &result->syscall) < 0) result->error = errno;
  else {
    *result = open_here(task->open, task->argument);
    const char *unused;
    is_home = enter(home, &unused) == 0;
  }
  close(home);
  return is_home;
}

static void *serve(void *argument) {
  struct namespace_thread *self = argument;
  prctl(PR_SET_NAME, "vethd-netns");
  pthread_mutex_lock(&self->lock);
  while (!self->ending && !self->stranded) {
    if (!self->task) {
      pthread_cond_wait(&self->changed, &self->lock);
      continue;
    }
    struct task *task = self->task;
    pthread_mutex_unlock(&self->lock);
    bool is_home = carry_out(task);
    pthread_mutex_lock(&self->lock);
    self->stranded = !is_home;
    self->task = NULL;
    pthread_cond_broadcast(&self->changed);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

/* Blocks all signals, which Node's own threads handle. */
static int start(struct namespace_thread *self) {
  sigset_t all, before;
  pthread_attr_t attributes;
  sigfillset(&all);
  self->stranded = false;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&self->thread, &attributes, serve, self);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  self->runs = error == 0;
  return error;
}

static void hand_over(struct namespace_thread *self, struct task *task) {
  pthread_mutex_lock(&self->lock);
  self->task = task;
  pthread_cond_broadcast(&self->changed);
  while (self->task) pthread_cond_wait(&self->changed, &self->lock);
  pthread_mutex_unlock(&self->lock);
}

/* A thread that is stranded in a user's namespace would keep it alive. It has ended, and the next task gets a new thread. */
static void leave_stranded(struct namespace_thread *self) {
  if (!self->stranded) return;
  pthread_join(self->thread, NULL);
  self->runs = false;
}

static struct netns_result on_namespace_thread(napi_env env, int netns, netns_opener *open, int argument) {
  void *data = NULL;
  napi_get_instance_data(env, &data);
  struct namespace_thread *self = data;
  if (!self->runs) {
    int error = start(self);
    if (error != 0) return (struct netns_result){.fd = -1, .error = error, .syscall = "pthread_create"};
  }
  struct task task = {.netns = netns, .open = open, .argument = argument};
  hand_over(self, &task);
  leave_stranded(self);
  return task.result;
}

struct netns_result netns_open_inside(napi_env env, int netns, netns_opener *open, int argument) {
  return netns == NETNS_OWN ? open_here(open, argument) : on_namespace_thread(env, netns, open, argument);
}

static void end(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct namespace_thread *self = data;
  if (self->runs) {
    pthread_mutex_lock(&self->lock);
    self->ending = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
  }
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

napi_status netns_init(napi_env env) {
  struct namespace_thread *self = calloc(1, sizeof *self);
  if (!self) return napi_generic_failure;
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->changed, NULL);
  return napi_set_instance_data(env, self, end, NULL);
}

static napi_value netns_current(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = open_own();
  return fd < 0 ? throw_errno(env, errno, "open", "opening " OWN_NETNS) : result_number(env, fd);
}

static napi_value netns_create(napi_env env, napi_callback_info info) {
  (void)info;
  struct netns_result made = on_namespace_thread(env, NETNS_NEW, open_own_netns, 0);
  return made.fd < 0 ? throw_errno(env, made.error, made.syscall, "making a network namespace")
                     : result_number(env, made.fd);
}

const struct binding netns_bindings[] = {
  {"netnsCreate", netns_create},
  {"netnsCurrent", netns_current},
  {0},
};
