/*
 * The functions of libuv that watch.c needs. They are declared here because node-api-headers has no uv.h. The node binary
 * exports them, and their ABI is stable for all of libuv 1.x. Handles are opaque: uv_handle_size() tells their size.
 */
#ifndef VETHD_UV_POLL_H
#define VETHD_UV_POLL_H

#include <stddef.h>

struct uv_loop_s; /* the result of napi_get_uv_event_loop */
typedef struct uv_handle_s uv_handle_t;

enum { UV_POLL = 8 }; /* a uv_handle_type */

typedef void (*uv_poll_cb)(uv_handle_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);

size_t uv_handle_size(int type);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, uv_close_cb on_closed);

int uv_poll_init(struct uv_loop_s *loop, uv_handle_t *handle, int fd);
int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb on_events);
int uv_poll_stop(uv_handle_t *handle);

#endif
