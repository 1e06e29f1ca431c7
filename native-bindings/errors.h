/* Exceptions. Every function returns NULL, so that a caller can end with `return throw_errno(…)`. */
#ifndef VETHD_ERRORS_H
#define VETHD_ERRORS_H

#include <node_api.h>

/*
 * Throws an Error for a failed system call, with `code`, `errno` (negative), `syscall` and `doing`:
 * `EBUSY: Device or resource busy, ioctl(TUNSETIFF), opening the TAP device "veth1"`.
 * `error` is the positive errno; `doing` is a printf format.
 */
napi_value throw_errno(napi_env env, int error, const char *syscall, const char *doing, ...)
  __attribute__((format(printf, 4, 5)));

/* Throws a TypeError; `message` is a printf format. */
napi_value throw_type_error(napi_env env, const char *message, ...) __attribute__((format(printf, 2, 3)));

/* Throws the error that Node-API reported for its last call, unless an exception is pending already. */
napi_value throw_napi(napi_env env);

#endif
