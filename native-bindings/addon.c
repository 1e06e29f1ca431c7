/*
 * The module: exports the functions of every table. Each function has its own name as its data, so that args.c can name it
 * in a TypeError.
 */
#include "addon.h"

#include "netns.h"

static const struct binding *const tables[] = {
  tap_bindings,   fd_bindings,    watch_bindings,  netns_bindings, netns_open_bindings, uring_bindings, memory_bindings,
  batch_bindings, socket_bindings, peer_bindings,  bpf_bindings,   thread_bindings,     abi_bindings,
};

static napi_status export_binding(napi_env env, napi_value exports, const struct binding *binding) {
  napi_value function;
  napi_status status =
    napi_create_function(env, binding->name, NAPI_AUTO_LENGTH, binding->call, (void *)binding->name, &function);
  return status == napi_ok ? napi_set_named_property(env, exports, binding->name, function) : status;
}

NAPI_MODULE_INIT() {
  if (netns_init(env) != napi_ok) {
    napi_throw_error(env, NULL, "the native addon could not be initialised: no memory");
    return NULL;
  }
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    for (const struct binding *binding = tables[i]; binding->name; binding++) {
      if (export_binding(env, exports, binding) != napi_ok) {
        napi_throw_error(env, NULL, "the native addon could not be initialised");
        return NULL;
      }
    }
  }
  return exports;
}
