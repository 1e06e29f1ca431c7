/* Mappings that JavaScript sees as ArrayBuffers. */
#ifndef VETHD_MEMORY_H
#define VETHD_MEMORY_H

#include <node_api.h>
#include <stddef.h>

/*
 * Hands the mapping `address`, `length` to JavaScript as an ArrayBuffer that munmaps it once collected. The mapping is
 * the garbage collector's from here on, whatever the outcome: NULL with an exception pending when it was refused.
 */
napi_value memory_to_buffer(napi_env env, void *address, size_t length);

#endif
