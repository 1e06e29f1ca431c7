/* Memory outside V8's heap: mappings as ArrayBuffers, and the slab, whose addresses the kernel gets in SQEs. */
#include "memory.h"

#include "addon.h"
#include "args.h"
#include "errors.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

static void unmap(napi_env env, void *address, void *length) {
  (void)env;
  munmap(address, (size_t)(uintptr_t)length);
}

napi_value memory_to_buffer(napi_env env, void *address, size_t length) {
  napi_value buffer;
  /* When Node refuses a length it has called the finalizer already: unmapping it again could unmap another mapping. */
  if (napi_create_external_arraybuffer(env, address, length, unmap, (void *)(uintptr_t)length, &buffer) != napi_ok)
    return throw_napi(env);
  return buffer;
}

static napi_value slab_create(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  size_t bytes = args_size(&args, 0, "bytes");
  if (args.failed) return NULL;

  void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return throw_errno(env, errno, "mmap", "reserving a slab of %zu bytes", bytes);

  uint64_t number = (uintptr_t)address;
  napi_value buffer = memory_to_buffer(env, address, bytes);
  napi_value slab = buffer ? result_object(env) : NULL;
  if (!result_set(env, slab, "buffer", buffer) ||
      !result_set_number(env, slab, "addressLow", (uint32_t)number) ||
      !result_set_number(env, slab, "addressHigh", (uint32_t)(number >> 32)))
    return NULL;
  return slab;
}

const struct binding memory_bindings[] = {{"slabCreate", slab_create}, {0}};
