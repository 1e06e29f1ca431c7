/*
 * io_uring by raw system calls: set-up with its mappings, registration, and the one call of the hot path, uringEnter.
 * Entries are written and reaped by TypeScript, through the mappings; nothing here looks at them. All calls of a ring
 * are made by the thread that made it (IORING_SETUP_SINGLE_ISSUER).
 */
#include "addon.h"
#include "args.h"
#include "compat.h"
#include "errors.h"
#include "fd.h"
#include "memory.h"

#include <errno.h>
#include <linux/time_types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int io_uring_register(int fd, unsigned int opcode, void *argument, unsigned int count) {
  return (int)syscall(SYS_io_uring_register, fd, opcode, argument, count);
}

/* Bytes of the mapping that holds both rings: the SQ index array lies behind the CQEs, so neither end is enough. */
static size_t ring_bytes(const struct io_uring_params *params) {
  size_t sq_end = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
  size_t cq_end = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
  return sq_end > cq_end ? sq_end : cq_end;
}

/* Slot n of the SQ ring always means entry n, so that TypeScript never touches the index array. */
static void fill_index_array(char *ring, const struct io_uring_params *params) {
  uint32_t *array = (uint32_t *)(ring + params->sq_off.array);
  if (params->flags & IORING_SETUP_NO_SQARRAY) return;
  for (uint32_t i = 0; i < params->sq_entries; i++) array[i] = i;
}

/* Maps a part of the ring as an ArrayBuffer that unmaps it; NULL with an exception pending. */
static napi_value map_part(napi_env env, int fd, size_t bytes, off_t offset, void **address) {
  *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  if (*address == MAP_FAILED)
    return throw_errno(env, errno, "mmap", "mapping %zu bytes of an io_uring", bytes);
  return memory_to_buffer(env, *address, bytes);
}

static napi_value describe_ring(napi_env env, int fd, const struct io_uring_params *params) {
  void *ring, *sqes;
  napi_value mapping = result_object(env);
  napi_value ring_buffer = map_part(env, fd, ring_bytes(params), IORING_OFF_SQ_RING, &ring);
  if (!result_set(env, mapping, "ring", ring_buffer)) return NULL;
  fill_index_array(ring, params);
  napi_value sqes_buffer =
    map_part(env, fd, params->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES, &sqes);
  if (!result_set(env, mapping, "sqes", sqes_buffer)) return NULL;

  const struct {
    const char *key;
    uint32_t value;
  } numbers[] = {
    {"fd", (uint32_t)fd},
    {"features", params->features},
    {"sqEntries", params->sq_entries},
    {"cqEntries", params->cq_entries},
    {"sqHead", params->sq_off.head},
    {"sqTail", params->sq_off.tail},
    {"sqFlags", params->sq_off.flags},
    {"cqHead", params->cq_off.head},
    {"cqTail", params->cq_off.tail},
    {"cqOverflow", params->cq_off.overflow},
    {"cqes", params->cq_off.cqes},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (!result_set_number(env, mapping, numbers[i].key, numbers[i].value)) return NULL;
  return mapping;
}

static napi_value uring_setup(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  uint32_t entries = args_uint32(&args, 0, "entries");
  uint32_t cq_entries = args_uint32(&args, 1, "cqEntries");
  uint32_t flags = args_bits(&args, 2, "flags");
  if (args.failed) return NULL;

  struct io_uring_params params = {.flags = flags | IORING_SETUP_CQSIZE, .cq_entries = cq_entries};
  int fd = (int)syscall(SYS_io_uring_setup, entries, &params); /* always close-on-exec */
  if (fd < 0)
    return throw_errno(env, errno, "io_uring_setup", "making an io_uring of %u + %u entries, flags 0x%x", entries,
                       cq_entries, params.flags);
  if (!(params.features & IORING_FEAT_SINGLE_MMAP)) {
    close(fd);
    return throw_errno(env, ENOSYS, "io_uring_setup", "making an io_uring whose rings share a mapping (Linux 5.4)");
  }
  napi_value mapping = describe_ring(env, fd, &params);
  if (!mapping) close(fd);
  return mapping;
}

static napi_value uring_register_files_sparse(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  uint32_t count = args_uint32(&args, 1, "count");
  if (args.failed) return NULL;
  struct io_uring_rsrc_register table = {.nr = count, .flags = IORING_RSRC_REGISTER_SPARSE};
  if (io_uring_register(fd, IORING_REGISTER_FILES2, &table, sizeof table) < 0)
    return throw_errno(env, errno, "io_uring_register(IORING_REGISTER_FILES2)", "making a table of %u fixed files",
                       count);
  return NULL;
}

static napi_value uring_update_file(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  uint32_t slot = args_uint32(&args, 1, "slot");
  int32_t file = args_int32(&args, 2, "file");
  if (args.failed) return NULL;
  struct io_uring_files_update update = {.offset = slot, .fds = (uintptr_t)&file};
  if (io_uring_register(fd, IORING_REGISTER_FILES_UPDATE, &update, 1) < 0)
    return throw_errno(env, errno, "io_uring_register(IORING_REGISTER_FILES_UPDATE)", "putting fd %d into slot %u",
                       file, slot);
  return NULL;
}

static napi_value uring_enter(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  uint32_t to_submit = args_uint32(&args, 1, "toSubmit");
  uint32_t min_complete = args_uint32(&args, 2, "minComplete");
  int64_t timeout_ns = args_milliseconds(&args, 3, "timeoutMs");
  if (args.failed) return NULL;

  struct __kernel_timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  struct io_uring_getevents_arg wait = {.ts = timeout_ns < 0 ? 0 : (uintptr_t)&timeout};
  long result = syscall(SYS_io_uring_enter, fd, to_submit, min_complete, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                        &wait, sizeof wait);
  /* A signal ends the wait like a completion: the caller checks the ring and waits again. */
  if (result < 0) result = errno == EINTR ? 0 : -errno;
  return result_number(env, (double)result);
}

static napi_value uring_close(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  napi_valuetype type;
  napi_value value;
  int32_t fd;
  if (args.failed) return NULL;
  if (napi_typeof(env, args.value[0], &type) != napi_ok || type != napi_object ||
      napi_get_named_property(env, args.value[0], "fd", &value) != napi_ok ||
      napi_get_value_int32(env, value, &fd) != napi_ok) {
    args_refuse(&args, "mapping", "what uringSetup returned");
    return NULL;
  }
  /* The fd number can be reused: a second close must not use it. */
  if (!result_set_number(env, args.value[0], "fd", -1)) return NULL;
  if (close(fd) < 0 && errno != EINTR) return throw_errno(env, errno, "close", "closing the io_uring of fd %d", fd);
  return NULL;
}

const struct binding uring_bindings[] = {
  {"uringSetup", uring_setup},
  {"uringRegisterFilesSparse", uring_register_files_sparse},
  {"uringUpdateFile", uring_update_file},
  {"uringEnter", uring_enter},
  {"uringClose", uring_close},
  {0},
};
