/*
 * File descriptors in the event loop of the calling environment, by libuv's uv_poll.
 *
 *   watch() ──▶ watching ── close(), or the environment ends ──▶ closing ── on_closed ──▶ closed
 *
 * The loop holds a watch until it is closed, and each of its JavaScript functions holds it until that function is collected. The
 * last holder frees it. Invariant: no callback after close.
 */
#include "addon.h"
#include "args.h"
#include "errors.h"
#include "uv-poll.h"

#include <errno.h>
#include <stdlib.h>

struct watch {
  napi_env env;
  napi_ref on_events; /* NULL from close on */
  napi_async_cleanup_hook_handle hook;
  unsigned int holders;
  _Alignas(max_align_t) char handle[];
};

static uv_handle_t *handle_of(struct watch *watch) { return (uv_handle_t *)watch->handle; }

static void drop(struct watch *watch) {
  if (--watch->holders == 0) free(watch);
}

static void on_function_collected(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  drop(data);
}

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = uv_handle_get_data(handle);
  if (watch->hook) napi_remove_async_cleanup_hook(watch->hook);
  drop(watch);
}

static void close_watch(struct watch *watch) {
  if (!watch->on_events) return;
  napi_delete_reference(watch->env, watch->on_events);
  watch->on_events = NULL;
  uv_poll_stop(handle_of(watch)); /* removes the fd from epoll at once, so that the caller may close it */
  uv_close(handle_of(watch), on_closed);
}

static void on_environment_end(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook; /* removed in on_closed, which lets the environment end */
  close_watch(data);
}

/* No JavaScript caller can catch an exception of the callback: it becomes the environment's uncaught exception. */
static void surface_exception(napi_env env) {
  bool pending = false;
  napi_value exception;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

static void call_back(struct watch *watch, int status, int events) {
  napi_env env = watch->env;
  napi_value receiver, callback, arguments[2];
  if (napi_get_global(env, &receiver) != napi_ok ||
      napi_get_reference_value(env, watch->on_events, &callback) != napi_ok ||
      napi_create_int32(env, events, &arguments[0]) != napi_ok ||
      napi_create_int32(env, status, &arguments[1]) != napi_ok ||
      napi_make_callback(env, NULL, receiver, callback, 2, arguments, NULL) != napi_ok)
    surface_exception(env);
}

static void on_poll(uv_handle_t *handle, int status, int events) {
  struct watch *watch = uv_handle_get_data(handle);
  napi_env env = watch->env; /* the callback may close the watch */
  napi_handle_scope scope;
  if (!watch->on_events || napi_open_handle_scope(env, &scope) != napi_ok) return;
  call_back(watch, status, events);
  napi_close_handle_scope(env, scope);
}

/* NULL with an exception pending when Node-API refuses. */
static struct watch *watch_of(napi_env env, napi_callback_info info) {
  void *watch = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, &watch) != napi_ok) throw_napi(env);
  return watch;
}

static napi_value watcher_ref(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_of(env, info);
  if (watch && watch->on_events) uv_ref(handle_of(watch));
  return NULL;
}

static napi_value watcher_unref(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_of(env, info);
  if (watch && watch->on_events) uv_unref(handle_of(watch));
  return NULL;
}

static napi_value watcher_close(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_of(env, info);
  if (watch) close_watch(watch);
  return NULL;
}

/* A function that holds the watch, as a property of the Watcher. */
static bool add_function(struct watch *watch, napi_value watcher, const char *name, napi_callback call) {
  napi_value function;
  if (napi_create_function(watch->env, name, NAPI_AUTO_LENGTH, call, watch, &function) != napi_ok ||
      napi_add_finalizer(watch->env, function, watch, on_function_collected, NULL, NULL) != napi_ok) {
    throw_napi(watch->env);
    return false;
  }
  watch->holders++;
  return result_set(watch->env, watcher, name, function);
}

static napi_value create_watcher(struct watch *watch) {
  napi_value watcher = result_object(watch->env);
  if (!watcher || !add_function(watch, watcher, "ref", watcher_ref) ||
      !add_function(watch, watcher, "unref", watcher_unref) || !add_function(watch, watcher, "close", watcher_close))
    return NULL;
  return watcher;
}

/* From here on the loop holds the watch, until close_watch. Returns a negative errno on failure. */
static int enter_loop(struct watch *watch, int fd) {
  struct uv_loop_s *loop;
  if (napi_get_uv_event_loop(watch->env, &loop) != napi_ok) return -EINVAL;
  int status = uv_poll_init(loop, handle_of(watch), fd);
  if (status == 0) uv_handle_set_data(handle_of(watch), watch);
  return status;
}

static napi_value watch_fd(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  uint32_t events = args_bits(&args, 1, "events");
  napi_value callback = args_function(&args, 2, "onEvents");
  if (args.failed) return NULL;

  struct watch *watch = calloc(1, sizeof *watch + uv_handle_size(UV_POLL));
  if (!watch) return throw_errno(env, ENOMEM, "calloc", "watching fd %d", fd);
  *watch = (struct watch){.env = env, .holders = 1};
  int status = enter_loop(watch, fd);
  if (status < 0) {
    free(watch);
    return throw_errno(env, -status, "uv_poll_init", "watching fd %d", fd);
  }
  if (napi_create_reference(env, callback, 1, &watch->on_events) != napi_ok) {
    uv_close(handle_of(watch), on_closed);
    return throw_napi(env);
  }
  napi_value watcher = NULL;
  if (napi_add_async_cleanup_hook(env, on_environment_end, watch, &watch->hook) != napi_ok) throw_napi(env);
  else if ((status = uv_poll_start(handle_of(watch), (int)events, on_poll)) < 0)
    throw_errno(env, -status, "uv_poll_start", "watching fd %d for events 0x%x", fd, events);
  else watcher = create_watcher(watch);
  if (!watcher) close_watch(watch);
  return watcher;
}

const struct binding watch_bindings[] = {{"watch", watch_fd}, {0}};
