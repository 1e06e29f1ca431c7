/* The calling thread's name, as ps and top show it. */
#include "addon.h"
#include "args.h"
#include "errors.h"

#include <errno.h>
#include <sys/prctl.h>

#define THREAD_NAME_SIZE 16 /* TASK_COMM_LEN */

static napi_value set_thread_name(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char name[THREAD_NAME_SIZE];
  args_string(&args, 0, "name", name, sizeof name);
  if (args.failed) return NULL;
  if (prctl(PR_SET_NAME, name) < 0)
    return throw_errno(env, errno, "prctl(PR_SET_NAME)", "naming a thread \"%s\"", name);
  return NULL;
}

const struct binding thread_bindings[] = {{"setThreadName", set_thread_name}, {0}};
