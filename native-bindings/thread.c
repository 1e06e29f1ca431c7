/* The calling thread: its name in ps and top, its CPU affinity, and yielding its CPU. */
#include "addon.h"
#include "args.h"
#include "errors.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>

#define THREAD_NAME_SIZE 16 /* TASK_COMM_LEN */
/* The most CPUs that a kernel can be built for (NR_CPUS); glibc's cpu_set_t ends at 1024. */
#define CPUS_MAX 8192

static napi_value set_thread_name(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char name[THREAD_NAME_SIZE];
  args_string(&args, 0, "name", name, sizeof name);
  if (args.failed) return NULL;
  if (prctl(PR_SET_NAME, name) < 0)
    return throw_errno(env, errno, "prctl(PR_SET_NAME)", "naming a thread \"%s\"", name);
  return NULL;
}

static napi_value set_thread_affinity(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  struct view cpus = args_int32s(&args, 0, "cpus");
  if (args.failed) return NULL;
  cpu_set_t set[CPUS_MAX / CPU_SETSIZE] = {0};
  for (const int32_t *cpu = cpus.data; cpu < (int32_t *)cpus.data + cpus.length; cpu++) {
    if (*cpu < 0 || *cpu >= CPUS_MAX) {
      args_refuse(&args, "cpus", "numbers of CPUs");
      return NULL;
    }
    CPU_SET_S((size_t)*cpu, sizeof set, set);
  }
  if (sched_setaffinity(0, sizeof set, set) < 0)
    return throw_errno(env, errno, "sched_setaffinity", "keeping a thread on %zu CPUs", cpus.length);
  return NULL;
}

static napi_value get_thread_affinity(napi_env env, napi_callback_info info) {
  (void)info;
  cpu_set_t set[CPUS_MAX / CPU_SETSIZE] = {0};
  if (sched_getaffinity(0, sizeof set, set) < 0)
    return throw_errno(env, errno, "sched_getaffinity", "asking for a thread's CPUs");
  napi_value cpus, number;
  uint32_t count = 0;
  if (napi_create_array(env, &cpus) != napi_ok) return throw_napi(env);
  for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
    if (!CPU_ISSET_S(cpu, sizeof set, set)) continue;
    if (napi_create_uint32(env, cpu, &number) != napi_ok || napi_set_element(env, cpus, count++, number) != napi_ok)
      return throw_napi(env);
  }
  return cpus;
}

/* A hot path: returns nothing, cannot fail. */
static napi_value yield_thread(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  sched_yield();
  return NULL;
}

const struct binding thread_bindings[] = {
  {"setThreadName", set_thread_name},
  {"setThreadAffinity", set_thread_affinity},
  {"getThreadAffinity", get_thread_affinity},
  {"yieldThread", yield_thread},
  {0},
};
