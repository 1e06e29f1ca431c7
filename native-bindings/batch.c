/*
 * The poll engine's calls: many reads and writes in one call out of JavaScript, and epoll. They are a hot path: typed
 * arrays are looked up once, errnos are results and never exceptions, nothing is allocated.
 */
#include "addon.h"
#include "args.h"
#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OP_READ = 0, OP_WRITE = 1, OP_WRITEV = 2 };

/*
 * One operation in the Int32Array; the result overwrites `length`. In a gathered write, `offset` is the offset of its list of
 * pieces in the slab, and `length` is the number of pieces.
 */
struct op {
  int32_t opcode;
  int32_t fd;
  int32_t offset;
  int32_t length;
};

/* A part of a frame, in the slab. */
struct piece {
  int32_t offset;
  int32_t length;
};

/* The kernel's UIO_MAXIOV is higher; a list on the stack must have a bound. */
#define PIECES_MAX 256

static bool is_inside(int32_t offset, int32_t length, struct view slab) {
  return offset >= 0 && length >= 0 && (size_t)offset + (size_t)length <= slab.length;
}

static int32_t gather(const struct op *op, struct view slab) {
  struct iovec iov[PIECES_MAX];
  if (op->length < 0 || op->length > PIECES_MAX) return -EINVAL;
  if (op->offset % (int32_t)sizeof(int32_t) != 0) return -EINVAL;
  if (!is_inside(op->offset, op->length * (int32_t)sizeof(struct piece), slab)) return -EFAULT;
  const struct piece *pieces = (const struct piece *)((char *)slab.data + op->offset);
  for (int32_t i = 0; i < op->length; i++) {
    if (!is_inside(pieces[i].offset, pieces[i].length, slab)) return -EFAULT;
    iov[i] = (struct iovec){(char *)slab.data + pieces[i].offset, (size_t)pieces[i].length};
  }
  return fd_writev(op->fd, iov, op->length);
}

static int32_t carry_out(const struct op *op, struct view slab) {
  if (op->opcode == OP_WRITEV) return gather(op, slab);
  if (!is_inside(op->offset, op->length, slab)) return -EFAULT;
  char *at = (char *)slab.data + op->offset;
  if (op->opcode == OP_READ) return fd_read(op->fd, at, (size_t)op->length);
  if (op->opcode == OP_WRITE) return fd_write(op->fd, at, (size_t)op->length);
  return -EINVAL;
}

/* A single operation is cheaper by its own call; more than these are split over several calls. */
enum { AIO_LEAST = 2, AIO_MOST = 64 };

static bool fits_aio(const struct op *op, struct view slab) {
  return (op->opcode == OP_READ || op->opcode == OP_WRITE) && is_inside(op->offset, op->length, slab);
}

static struct iocb iocb_of(const struct op *op, size_t index, struct view slab) {
  return (struct iocb){
    .aio_data = index,
    .aio_lio_opcode = op->opcode == OP_READ ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
    .aio_fildes = (uint32_t)op->fd,
    .aio_buf = (uintptr_t)slab.data + (size_t)op->offset,
    .aio_nbytes = (uint64_t)op->length,
  };
}

/*
 * The ring of results at the context's address, which can be read without a system call (struct aio_ring, fs/aio.c). Its magic
 * number identifies this layout.
 */
struct aio_ring {
  uint32_t id, size, head, tail, magic, compat_features, incompat_features, header_length;
  struct io_event events[];
};

#define AIO_RING_MAGIC 0xa10a10a1

static bool is_readable(const struct aio_ring *ring) {
  return ring->magic == AIO_RING_MAGIC && ring->incompat_features == 0;
}

/* The oldest result, if there is one and the ring can be read. */
static bool take_event(aio_context_t aio, struct io_event *event) {
  struct aio_ring *ring = (struct aio_ring *)aio;
  if (!is_readable(ring)) return false;
  uint32_t head = ring->head;
  if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) return false;
  *event = ring->events[head];
  __atomic_store_n(&ring->head, (head + 1) % ring->size, __ATOMIC_RELEASE);
  return true;
}

/*
 * Operations that were submitted, but whose results cannot be read. They were carried out and must not be repeated: a write
 * counts as done, a read as failed.
 */
static void give_up(struct op *ops, uint64_t unanswered) {
  for (struct op *op = ops; unanswered != 0; op++, unanswered >>= 1)
    if ((unanswered & 1) && op->opcode == OP_READ) op->length = -EIO;
}

/*
 * Linux's asynchronous I/O (io_submit(2)). On a TAP it is synchronous: all operations have ended, in order, when io_submit
 * returns. The gain is that there is one system call: a write wakes the frame's receiver, and a receiver that preempts this
 * thread does so when the call returns, once a burst instead of once a frame (50,000 times a second under a flood of UDP).
 *
 * Returns how many of `ops`, from the first on, have their results: 0 when the first is none for it.
 */
static size_t carry_out_by_aio(aio_context_t aio, struct op *ops, size_t count, struct view slab) {
  struct iocb iocbs[AIO_MOST], *list[AIO_MOST];
  size_t ready = 0;
  for (; ready < count && ready < AIO_MOST && fits_aio(&ops[ready], slab); ready++) {
    iocbs[ready] = iocb_of(&ops[ready], ready, slab);
    list[ready] = &iocbs[ready];
  }
  if (ready < AIO_LEAST) return 0;
  long submitted = syscall(SYS_io_submit, aio, (long)ready, list);
  if (submitted <= 0) return 0;
  uint64_t unanswered = UINT64_MAX >> (AIO_MOST - submitted);
  while (unanswered != 0) {
    struct io_event event;
    long got = take_event(aio, &event) ? 1 : syscall(SYS_io_getevents, aio, 1L, 1L, &event, NULL);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) break;
    uint64_t bit = event.data < AIO_MOST ? UINT64_C(1) << event.data : 0;
    if ((unanswered & bit) == 0) continue; /* an earlier call abandoned it */
    ops[event.data].length = (int32_t)event.res;
    unanswered &= ~bit;
  }
  give_up(ops, unanswered);
  return (size_t)submitted;
}

/*
 * A burst may request more frames than there are. After a failed read of an fd (usually EAGAIN), the reads of the same fd that
 * follow it directly would fail too; they get the same result here without a system call.
 */
static void carry_out_all(aio_context_t aio, struct op *ops, size_t count, struct view slab) {
  const struct op *failed_read = NULL;
  for (struct op *op = ops; op < ops + count;) {
    size_t done = aio ? carry_out_by_aio(aio, op, (size_t)(ops + count - op), slab) : 0;
    if (done > 0) {
      op += done;
      failed_read = NULL;
      continue;
    }
    if (failed_read && op->opcode == OP_READ && op->fd == failed_read->fd) op->length = failed_read->length;
    else {
      op->length = carry_out(op, slab);
      failed_read = op->opcode == OP_READ && op->length < 0 ? op : NULL;
    }
    op++;
  }
}

static napi_value io_batch(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  struct view slab = args_buffer(&args, 0, "slab");
  struct view ops = args_int32s(&args, 1, "ops");
  uint32_t count = args_uint32(&args, 2, "count");
  aio_context_t aio = args_address(&args, 3, "aio");
  if (count > ops.length / 4) args_refuse(&args, "count", "no more than the operations given");
  if (!args.failed) carry_out_all(aio, ops.data, count, slab);
  return NULL;
}

/* The context is an address, which a double holds exactly. Contexts with unreadable results are not used. */
static napi_value aio_setup(napi_env env, napi_callback_info info) {
  (void)info;
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, AIO_MOST, &context) < 0)
    return throw_errno(env, errno, "io_setup", "making a context for %d operations", AIO_MOST);
  if (!is_readable((struct aio_ring *)context) && syscall(SYS_io_getevents, context, 0L, 0L, NULL, NULL) < 0) {
    int error = errno;
    syscall(SYS_io_destroy, context);
    return throw_errno(env, error, "io_getevents", "asking a context for results");
  }
  return result_number(env, (double)context);
}

static napi_value aio_destroy(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  aio_context_t context = args_address(&args, 0, "aio");
  if (!args.failed && syscall(SYS_io_destroy, context) < 0)
    return throw_errno(env, errno, "io_destroy", "ending the context 0x%llx", (unsigned long long)context);
  return NULL;
}

static napi_value epoll_open(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? throw_errno(env, errno, "epoll_create1", "making an epoll") : result_number(env, fd);
}

static napi_value control(napi_env env, napi_callback_info info, int operation, const char *syscall) {
  struct args args = args_read(env, info);
  int epoll = args_int32(&args, 0, "epollFd");
  int fd = args_int32(&args, 1, "fd");
  uint32_t events = operation == EPOLL_CTL_DEL ? 0 : args_bits(&args, 2, "events");
  int32_t tag = operation == EPOLL_CTL_DEL ? 0 : args_int32(&args, 3, "tag");
  if (args.failed) return NULL;
  struct epoll_event event = {.events = events, .data.u32 = (uint32_t)tag};
  if (epoll_ctl(epoll, operation, fd, &event) < 0)
    return throw_errno(env, errno, syscall, "watching fd %d for events 0x%x in epoll %d", fd, events, epoll);
  return NULL;
}

static napi_value epoll_add(napi_env env, napi_callback_info info) {
  return control(env, info, EPOLL_CTL_ADD, "epoll_ctl(EPOLL_CTL_ADD)");
}

static napi_value epoll_remove(napi_env env, napi_callback_info info) {
  return control(env, info, EPOLL_CTL_DEL, "epoll_ctl(EPOLL_CTL_DEL)");
}

/* Most events one epollWait reports; the rest comes with the next. */
#define EVENTS_MAX 256

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

/*
 * Only a wait with a fraction of a millisecond needs epoll_pwait2. If that is missing (before Linux 5.11) or forbidden, the wait
 * is rounded up to the millisecond.
 */
static int wait_for_events(int epoll, struct epoll_event *events, int room, int64_t timeout_ns) {
  if (timeout_ns > 0 && timeout_ns % NS_PER_MS != 0) {
    struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    int count = (int)syscall(SYS_epoll_pwait2, epoll, events, room, &timeout, NULL, 0);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    timeout_ns += NS_PER_MS;
  }
  return epoll_wait(epoll, events, room, timeout_ns < 0 ? -1 : (int)(timeout_ns / NS_PER_MS));
}

static napi_value epoll_wait_tags(napi_env env, napi_callback_info info) {
  struct args args = args_read(env, info);
  int epoll = args_int32(&args, 0, "epollFd");
  struct view out = args_int32s(&args, 1, "out");
  int64_t timeout_ns = args_milliseconds(&args, 2, "timeoutMs");
  if (args.failed) return NULL;

  struct epoll_event events[EVENTS_MAX];
  size_t room = out.length / 2;
  int count = wait_for_events(epoll, events, room < EVENTS_MAX ? (int)room : EVENTS_MAX, timeout_ns);
  /* A signal ends the wait without a result; the caller waits again. */
  if (count < 0) return result_number(env, errno == EINTR ? 0 : -errno);
  int32_t *pair = out.data;
  for (int i = 0; i < count; i++) {
    *pair++ = (int32_t)events[i].data.u32;
    *pair++ = (int32_t)events[i].events;
  }
  return result_number(env, count);
}

const struct binding batch_bindings[] = {
  {"ioBatch", io_batch},
  {"aioSetup", aio_setup},
  {"aioDestroy", aio_destroy},
  {"epollCreate", epoll_open},
  {"epollAdd", epoll_add},
  {"epollRemove", epoll_remove},
  {"epollWait", epoll_wait_tags},
  {0},
};
