/*
 * Arguments in, results out.
 *
 * Errors are sticky: the first invalid argument throws a TypeError with the names of function and argument, sets `failed`, and
 * makes all later reads return zeros. So a function reads all its arguments and then checks once:
 *
 *   struct args args = args_read(env, info);
 *   int fd = args_fd(&args, 0, "fd");
 *   uint32_t mask = args_bits(&args, 1, "mask");
 *   if (args.failed) return NULL;
 */
#ifndef VETHD_ARGS_H
#define VETHD_ARGS_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_MAX 4

struct args {
  napi_env env;
  const char *function;
  napi_value value[ARGS_MAX];
  bool failed;
};

/* Memory of a typed array or ArrayBuffer; `length` counts elements. Valid until JavaScript runs again. */
struct view {
  void *data;
  size_t length;
};

struct args args_read(napi_env env, napi_callback_info info);

/* Throws a TypeError `function: message` for an argument and marks the arguments as failed. */
void args_refuse(struct args *args, const char *name, const char *requirement);

int32_t args_int32(struct args *args, size_t index, const char *name);
uint32_t args_uint32(struct args *args, size_t index, const char *name);
/* 32 flag bits. Accepts signed numbers, because JavaScript's | yields them for bit 31. */
uint32_t args_bits(struct args *args, size_t index, const char *name);
/* Milliseconds, which may have a fraction, as nanoseconds; -1 when negative: without bound. */
int64_t args_milliseconds(struct args *args, size_t index, const char *name);
/* An address in this process, or 0. */
uint64_t args_address(struct args *args, size_t index, const char *name);
/* A number of bytes, at least 1. */
size_t args_size(struct args *args, size_t index, const char *name);
bool args_bool(struct args *args, size_t index, const char *name);
/* Copies a string and its NUL, cut to `size`. Returns its whole length in bytes, as snprintf does. */
size_t args_string(struct args *args, size_t index, const char *name, char *into, size_t size);
/* The same for a Uint8Array: a device's name, whose bytes need not be UTF-8. */
size_t args_name(struct args *args, size_t index, const char *name, char *into, size_t size);
napi_value args_function(struct args *args, size_t index, const char *name);
struct view args_bytes(struct args *args, size_t index, const char *name);
struct view args_int32s(struct args *args, size_t index, const char *name);
struct view args_buffer(struct args *args, size_t index, const char *name);

/* Results. NULL with an exception pending when Node-API refuses. */
napi_value result_number(napi_env env, double number);
napi_value result_bool(napi_env env, bool value);
napi_value result_object(napi_env env);
bool result_set(napi_env env, napi_value object, const char *key, napi_value value);
bool result_set_number(napi_env env, napi_value object, const char *key, double number);
bool result_set_string(napi_env env, napi_value object, const char *key, const char *text);
bool result_set_bytes(napi_env env, napi_value object, const char *key, const void *bytes, size_t length);

#endif
