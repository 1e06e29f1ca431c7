/*
 * Turns an errno into a JavaScript Error. Names and descriptions come from glibc (strerrorname_np and strerrordesc_np, since
 * 2.32). Unlike those of strerror, they are neither translated nor in a buffer that threads share.
 */
#include "errors.h"

#include "args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* vasprintf that returns NULL without memory. */
static char *format_text(const char *format, va_list list) {
  char *text;
  return vasprintf(&text, format, list) < 0 ? NULL : text;
}

static napi_value create_error(napi_env env, const char *code, const char *message) {
  napi_value code_value, message_value, error;
  if (napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value) != napi_ok ||
      napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &message_value) != napi_ok ||
      napi_create_error(env, code_value, message_value, &error) != napi_ok)
    return throw_napi(env);
  return error;
}

static napi_value throw_system_error(napi_env env, int number, const char *syscall, const char *doing) {
  const char *code = strerrorname_np(number), *description = strerrordesc_np(number);
  char *message;
  if (!code) code = "UNKNOWN";
  if (!description) description = "Unknown error";
  if (asprintf(&message, "%s: %s, %s, %s", code, description, syscall, doing) < 0) message = NULL;

  napi_value error = create_error(env, code, message ? message : description);
  free(message);
  if (error && result_set_number(env, error, "errno", -number) && result_set_string(env, error, "syscall", syscall) &&
      result_set_string(env, error, "doing", doing))
    napi_throw(env, error);
  return NULL;
}

napi_value throw_errno(napi_env env, int error, const char *syscall, const char *doing, ...) {
  va_list list;
  va_start(list, doing);
  char *text = format_text(doing, list);
  va_end(list);
  throw_system_error(env, error, syscall, text ? text : doing);
  free(text);
  return NULL;
}

napi_value throw_type_error(napi_env env, const char *message, ...) {
  va_list list;
  va_start(list, message);
  char *text = format_text(message, list);
  va_end(list);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text ? text : message);
  free(text);
  return NULL;
}

napi_value throw_napi(napi_env env) {
  const napi_extended_error_info *info = NULL;
  bool pending = false;
  napi_get_last_error_info(env, &info);
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending)
    napi_throw_error(env, NULL, info && info->error_message ? info->error_message : "a Node-API call failed");
  return NULL;
}
