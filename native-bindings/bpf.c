/*
 * bpf(2) without libbpf: an array map in shared memory, and a program that may refer to it. The kernel allows names of at most
 * 15 letters, digits, _ and . for both; longer names are truncated.
 */
#include "addon.h"
#include "args.h"
#include "compat.h"
#include "errors.h"
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* fds of maps and programs are always close-on-exec. */
static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  int result;
  do result = (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
  while (result < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a signal interrupted the verifier */
  return result;
}

static napi_value bpf_create_array_map(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  union bpf_attr map;
  memset(&map, 0, sizeof map);
  map.map_type = BPF_MAP_TYPE_ARRAY;
  map.key_size = sizeof(uint32_t);
  map.value_size = args_uint32(&args, 0, "valueSize");
  map.max_entries = args_uint32(&args, 1, "entries");
  map.map_flags = BPF_F_MMAPABLE;
  args_string(&args, 2, "name", map.map_name, sizeof map.map_name);
  if (args.failed) return NULL;
  int fd = bpf(BPF_MAP_CREATE, &map);
  return fd < 0 ? throw_errno(env, errno, "bpf(BPF_MAP_CREATE)", "making the map \"%s\" of %u values of %u bytes",
                              map.map_name, map.max_entries, map.value_size)
                : result_number(env, fd);
}

static napi_value bpf_map_memory(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int fd = args_int32(&args, 0, "fd");
  size_t bytes = args_size(&args, 1, "bytes");
  if (args.failed) return NULL;
  void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return throw_errno(env, errno, "mmap", "mapping %zu bytes of bpf map fd %d", bytes, fd);
  return memory_to_buffer(env, address, bytes);
}

#define VERIFIER_LOG_BYTES 65536

/* Loads the program again with the verifier's log, for an error message with the reason. */
static napi_value load_with_log(napi_env env, union bpf_attr *program) {
  char *log = calloc(1, VERIFIER_LOG_BYTES);
  if (!log) return throw_errno(env, ENOMEM, "calloc", "loading the bpf program \"%s\"", program->prog_name);
  program->log_level = 1;
  program->log_size = VERIFIER_LOG_BYTES;
  program->log_buf = (uintptr_t)log;
  int fd = bpf(BPF_PROG_LOAD, program);
  napi_value result = fd >= 0 ? result_number(env, fd)
                              : throw_errno(env, errno, "bpf(BPF_PROG_LOAD)", "loading the bpf program \"%s\"%s%s",
                                            program->prog_name, *log ? "; the verifier says:\n" : "", log);
  free(log);
  return result;
}

static napi_value bpf_load_program(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  char license[64];
  union bpf_attr program;
  memset(&program, 0, sizeof program);
  program.prog_type = args_uint32(&args, 0, "type");
  struct view instructions = args_bytes(&args, 1, "instructions");
  args_string(&args, 2, "license", license, sizeof license);
  args_string(&args, 3, "name", program.prog_name, sizeof program.prog_name);
  if (instructions.length % sizeof(struct bpf_insn)) args_refuse(&args, "instructions", "a multiple of 8 bytes");
  if (args.failed) return NULL;

  program.insn_cnt = (uint32_t)(instructions.length / sizeof(struct bpf_insn));
  program.insns = (uintptr_t)instructions.data;
  program.license = (uintptr_t)license;
  int fd = bpf(BPF_PROG_LOAD, &program);
  return fd < 0 ? load_with_log(env, &program) : result_number(env, fd);
}

const struct binding bpf_bindings[] = {
  {"bpfCreateArrayMap", bpf_create_array_map},
  {"bpfMapMemory", bpf_map_memory},
  {"bpfLoadProgram", bpf_load_program},
  {0},
};
