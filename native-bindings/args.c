/* Converts arguments and results; args.h explains the use. */
#include "args.h"

#include "errors.h"

#include <math.h>
#include <string.h>

struct args args_read(napi_env env, napi_callback_info info) {
  struct args args = {.env = env};
  size_t count = ARGS_MAX;
  void *name = NULL;
  if (napi_get_cb_info(env, info, &count, args.value, NULL, &name) != napi_ok) {
    throw_napi(env);
    args.failed = true;
  }
  args.function = name;
  return args;
}

void args_refuse(struct args *args, const char *name, const char *requirement) {
  if (!args->failed) throw_type_error(args->env, "%s: \"%s\" must be %s", args->function, name, requirement);
  args->failed = true;
}

/* Reads an integer from `low` to `high`. Otherwise throws a TypeError and returns 0. */
static double args_integer(struct args *args, size_t index, const char *name, double low, double high,
                           const char *requirement) {
  double number;
  if (args->failed) return 0;
  if (napi_get_value_double(args->env, args->value[index], &number) == napi_ok && number >= low && number <= high &&
      number == trunc(number))
    return number;
  args_refuse(args, name, requirement);
  return 0;
}

int32_t args_int32(struct args *args, size_t index, const char *name) {
  return (int32_t)args_integer(args, index, name, INT32_MIN, INT32_MAX, "a signed 32-bit integer");
}

uint32_t args_uint32(struct args *args, size_t index, const char *name) {
  return (uint32_t)args_integer(args, index, name, 0, UINT32_MAX, "an unsigned 32-bit integer");
}

uint32_t args_bits(struct args *args, size_t index, const char *name) {
  return (uint32_t)(int64_t)args_integer(args, index, name, INT32_MIN, UINT32_MAX, "a 32-bit integer");
}

int64_t args_milliseconds(struct args *args, size_t index, const char *name) {
  double number = 0;
  if (!args->failed && (napi_get_value_double(args->env, args->value[index], &number) != napi_ok || !(number <= INT32_MAX)))
    args_refuse(args, name, "a number of milliseconds");
  return args->failed ? 0 : number < 0 ? -1 : (int64_t)(number * 1e6);
}

static const double largest_integer = 9007199254740991.0;

uint64_t args_address(struct args *args, size_t index, const char *name) {
  return (uint64_t)args_integer(args, index, name, 0, largest_integer, "an address, or 0");
}

size_t args_size(struct args *args, size_t index, const char *name) {
  return (size_t)args_integer(args, index, name, 1, largest_integer, "a number of bytes, at least 1");
}

bool args_bool(struct args *args, size_t index, const char *name) {
  bool value = false;
  if (!args->failed && napi_get_value_bool(args->env, args->value[index], &value) != napi_ok)
    args_refuse(args, name, "a boolean");
  return value;
}

size_t args_string(struct args *args, size_t index, const char *name, char *into, size_t size) {
  size_t length = 0, copied = 0;
  into[0] = '\0';
  if (args->failed) return 0;
  if (napi_get_value_string_utf8(args->env, args->value[index], NULL, 0, &length) != napi_ok ||
      napi_get_value_string_utf8(args->env, args->value[index], into, size, &copied) != napi_ok) {
    args_refuse(args, name, "a string");
    return 0;
  }
  if (strlen(into) != copied) args_refuse(args, name, "a string without NUL bytes");
  return length;
}

size_t args_name(struct args *args, size_t index, const char *name, char *into, size_t size) {
  struct view bytes = args_bytes(args, index, name);
  size_t copied = bytes.length < size ? bytes.length : size - 1;
  if (copied > 0) memcpy(into, bytes.data, copied);
  into[copied] = '\0';
  if (strlen(into) != copied) args_refuse(args, name, "a name without NUL bytes");
  return bytes.length;
}

napi_value args_function(struct args *args, size_t index, const char *name) {
  napi_valuetype type;
  if (args->failed) return NULL;
  if (napi_typeof(args->env, args->value[index], &type) != napi_ok || type != napi_function) {
    args_refuse(args, name, "a function");
    return NULL;
  }
  return args->value[index];
}

static struct view args_typed_array(struct args *args, size_t index, const char *name, napi_typedarray_type wanted,
                                    const char *requirement) {
  napi_typedarray_type type;
  struct view view = {0};
  if (args->failed) return view;
  if (napi_get_typedarray_info(args->env, args->value[index], &type, &view.length, &view.data, NULL, NULL) == napi_ok &&
      type == wanted)
    return view;
  args_refuse(args, name, requirement);
  return (struct view){0};
}

struct view args_bytes(struct args *args, size_t index, const char *name) {
  return args_typed_array(args, index, name, napi_uint8_array, "a Uint8Array");
}

struct view args_int32s(struct args *args, size_t index, const char *name) {
  return args_typed_array(args, index, name, napi_int32_array, "an Int32Array");
}

struct view args_buffer(struct args *args, size_t index, const char *name) {
  struct view view = {0};
  if (!args->failed &&
      napi_get_arraybuffer_info(args->env, args->value[index], &view.data, &view.length) != napi_ok)
    args_refuse(args, name, "an ArrayBuffer");
  return view;
}

napi_value result_number(napi_env env, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok ? value : throw_napi(env);
}

napi_value result_bool(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : throw_napi(env);
}

napi_value result_object(napi_env env) {
  napi_value object;
  return napi_create_object(env, &object) == napi_ok ? object : throw_napi(env);
}

bool result_set(napi_env env, napi_value object, const char *key, napi_value value) {
  if (!object || !value) return false;
  if (napi_set_named_property(env, object, key, value) == napi_ok) return true;
  throw_napi(env);
  return false;
}

bool result_set_number(napi_env env, napi_value object, const char *key, double number) {
  return result_set(env, object, key, result_number(env, number));
}

bool result_set_string(napi_env env, napi_value object, const char *key, const char *text) {
  napi_value value;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) != napi_ok) value = throw_napi(env);
  return result_set(env, object, key, value);
}

bool result_set_bytes(napi_env env, napi_value object, const char *key, const void *bytes, size_t length) {
  napi_value buffer, array;
  void *data;
  if (napi_create_arraybuffer(env, length, &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &array) != napi_ok) {
    throw_napi(env);
    return false;
  }
  if (length > 0) memcpy(data, bytes, length);
  return result_set(env, object, key, array);
}
