/* Mappings that JavaScript sees as ArrayBuffers. */
#ifndef VETHD_MEMORY_H
#define VETHD_MEMORY_H

#include <node_api.h>
#include <stddef.h>

/*
 * Hands the mapping `address`, `length` to JavaScript as an ArrayBuffer, which munmaps it when it is collected. The garbage
 * collector owns the mapping from now on, also after an error. Returns NULL with a pending exception on an error.
 */
napi_value memory_to_buffer(napi_env env, void *address, size_t length);

#endif
