/* Memory outside V8's heap: mappings as ArrayBuffers, and the slab, whose addresses the kernel gets in SQEs. */
#include "memory.h"

#include "addon.h"
#include "args.h"
#include "errors.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_down(size_t bytes) {
  return bytes / (size_t)sysconf(_SC_PAGESIZE) * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t page_up(size_t bytes) {
  return page_down(bytes + (size_t)sysconf(_SC_PAGESIZE) - 1);
}

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

/* The first multiple of 4 GiB behind an address. */
static uintptr_t next_4gib(uintptr_t start) {
  return (start | UINT32_MAX) + 1;
}

/*
 * Maps `bytes`, whole pages and less than 4 GiB, so that the upper 32 bits of all their addresses are the same: of a stretch
 * twice as long one half or the part behind the boundary is. MAP_FAILED with errno.
 */
static void *map_within_4gib(size_t bytes) {
  int flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE;
  char *all = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (all == MAP_FAILED) return MAP_FAILED;
  uintptr_t boundary = next_4gib((uintptr_t)all);
  char *chosen = boundary - (uintptr_t)all < bytes ? (char *)boundary : all;
  if (chosen > all) munmap(all, (size_t)(chosen - all));
  munmap(chosen + bytes, (size_t)(all + bytes - chosen));
  return chosen;
}

static napi_value slab_create(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  size_t bytes = args_size(&args, 0, "bytes");
  if (args.failed) return NULL;

  bytes = page_up(bytes);
  void *address = bytes > UINT32_MAX ? MAP_FAILED : map_within_4gib(bytes);
  if (bytes > UINT32_MAX) errno = ENOMEM;
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

static napi_value memory_discard(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  struct view memory = args_bytes(&args, 0, "memory");
  uint32_t offset = args_uint32(&args, 1, "offset");
  uint32_t length = args_uint32(&args, 2, "length");
  if (args.failed) return NULL;

  if ((size_t)offset + length > memory.length) {
    args_refuse(&args, "length", "a number of bytes inside the memory");
    return NULL;
  }
  /* Parts of pages at both ends stay. */
  uintptr_t begin = page_up((uintptr_t)memory.data + offset);
  uintptr_t end = page_down((uintptr_t)memory.data + offset + length);
  if (begin < end && madvise((void *)begin, end - begin, MADV_DONTNEED) != 0)
    return throw_errno(env, errno, "madvise", "giving %u bytes back", length);
  return NULL;
}

const struct binding memory_bindings[] = {
  {"slabCreate", slab_create},
  {"memoryDiscard", memory_discard},
  {0},
};
