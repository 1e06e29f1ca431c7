/**
 * The typed interface of the native addon: everything that JavaScript cannot do. Only this file loads the addon.
 *
 * Every call is synchronous. A failing system call throws a {@link NativeError}, an argument of the wrong type a
 * TypeError that names it; the calls of the hot path (`uringEnter`, `ioBatch`, `epollWait`, `read`, `write`,
 * `netlinkReceive`) return a negative errno instead, because a throw costs three microseconds. A wait that a signal
 * interrupts ends early without a result. File descriptors are plain numbers, close-on-exec, and belong to the
 * caller until `close`.
 *
 * Loadable in the main thread and in worker threads.
 */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The error of a failed system call. `errno` is negative, as in Node's own system errors. */
export interface NativeError extends Error {
  /** Symbolic errno, `EBUSY`. */
  code: string
  /** Negative errno, `-16`. */
  errno: number
  /** The call that failed, `ioctl(TUNSETIFF)`. */
  syscall: string
  /** The failed action, `opening the TAP device "veth1"`. */
  doing: string
}

/** A mapped io_uring: where its parts are, byte offsets into `ring`. */
export interface UringMapping {
  fd: number
  features: number
  sqEntries: number
  cqEntries: number
  /** SQ and CQ rings in one mapping (IORING_FEAT_SINGLE_MMAP); the SQ index array is filled with 0..n-1 already. */
  ring: ArrayBuffer
  /** `sqEntries` submission entries of 64 bytes. */
  sqes: ArrayBuffer
  sqHead: number
  sqTail: number
  sqFlags: number
  cqHead: number
  cqTail: number
  cqOverflow: number
  /** First completion entry (16 bytes each). */
  cqes: number
}

/** Memory outside V8's heap that the kernel may read and write: private, zeroed, reserved without being touched. */
export interface Slab {
  buffer: ArrayBuffer
  /** The address as two unsigned 32-bit halves, for SQEs. */
  addressLow: number
  addressHigh: number
}

/**
 * A file descriptor in the event loop (uv_poll). The callback is never called after `close`. A Watcher without
 * references continues to watch, and keeps the process alive unless it is unref'ed.
 */
export interface Watcher {
  ref(): void
  unref(): void
  /** Stops watching, at once; does not close the fd. To be called before the fd is closed. */
  close(): void
}

export interface Credentials {
  pid: number
  uid: number
  gid: number
}

/** Instead of a namespace's fd: the calling thread's own network namespace, which needs no capability. */
export const OWN_NETNS = -1

export interface Native {
  // --- TAP devices (drivers/net/tun.c) ---------------------------------------------------------------------------
  /**
   * Opens /dev/net/tun O_RDWR|O_NONBLOCK|O_CLOEXEC in a network namespace, and makes or attaches a device there. `name`
   * (at most 15 bytes, else ENAMETOOLONG) may be empty or contain `%d`. `flags` are the 16 bits of ifr_flags, passed
   * unchanged (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, …). With IFF_TUN_EXCL an existing device gives EBUSY. `netnsFd`:
   * {@link OWN_NETNS}, or an fd of the namespace.
   */
  tapOpen(name: string, flags: number, netnsFd: number): number
  /** TUNGETIFF: the device's present name, which need not be UTF-8, and its flags. EBADFD once the device is gone. */
  tapGetInterface(fd: number): { name: Uint8Array; flags: number }
  /** TUNGETFEATURES of /dev/net/tun: a mask of IFF_*. Needs any open tun fd. */
  tapGetFeatures(fd: number): number
  tapSetVnetHdrSize(fd: number, bytes: number): void
  /** TUNSETOFFLOAD, a mask of TUN_F_*; EINVAL for a bit the kernel does not know. */
  tapSetOffload(fd: number, mask: number): void
  tapSetCarrier(fd: number, on: boolean): void
  /**
   * TUNGETDEVNETNS: a new fd of the namespace the device is in now; the caller closes it. EBADFD when the device is
   * gone, and already while its namespace is being deleted.
   */
  tapGetNetns(fd: number): number
  /** TUNSETFILTEREBPF: attaches a loaded socket-filter program, or removes it with -1. */
  tapSetFilter(fd: number, programFd: number): void

  // --- file descriptors ------------------------------------------------------------------------------------------
  /** close(2). Not fs.closeSync, which in a worker warns of an fd that it did not open. */
  close(fd: number): void
  /** eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC). */
  eventfd(): number
  /** Adds 1 to an eventfd, which wakes its waiters. */
  eventfdSignal(fd: number): void
  /** Reads and clears an eventfd; 0 when it was not signalled. */
  eventfdClear(fd: number): number
  /** read(2) into `into`; bytes read, or a negative errno (-EAGAIN, -EBADFD). Never throws. */
  read(fd: number, into: Uint8Array): number
  /** write(2) of `from`; bytes written, or a negative errno. Never throws. */
  write(fd: number, from: Uint8Array): number
  /**
   * Calls `onEvents` from the event loop when the fd has `events`: 1 readable, 2 writable, 4 disconnect, 8 prioritized
   * (libuv's bits). `error` is 0, or a negative errno after which nothing more is reported. POLLERR, which a TAP has
   * when its device is gone, is -EBADF. An error thrown by the callback is an uncaught exception. Sets O_NONBLOCK;
   * EEXIST if the fd is watched already.
   */
  watch(fd: number, events: number, onEvents: (events: number, error: number) => void): Watcher
  /** dup(2) with close-on-exec. */
  duplicate(fd: number): number

  // --- network namespaces ----------------------------------------------------------------------------------------
  // Node's threads never enter another namespace, so `/proc/PID/ns/net` is always the process's own. A thread of the
  // addon opens the files of other namespaces (`netnsCreate`, `tapOpen`, `netlinkOpen`), and returns their fds.
  /** Makes a nameless network namespace and returns its fd. */
  netnsCreate(): number
  /** Opens the calling thread's own network namespace (/proc/thread-self/ns/net). */
  netnsCurrent(): number
  /**
   * Opens a path as a namespace fd (O_RDONLY|O_CLOEXEC); throws EINVAL if it is not a network namespace. No other file
   * is opened for reading.
   */
  netnsOpen(path: string): number
  /**
   * The same below a root directory, which absolute links do not leave (openat2, RESOLVE_IN_ROOT). EXDEV for a path
   * through a magic link of /proc (`/proc/self/fd/7`, `/proc/1/ns/net`, `/proc/1/root`).
   */
  netnsOpenBelow(rootFd: number, path: string): number
  /**
   * Opens the namespace of a process (`123`, or of its thread `123/task/124`) by the /proc below a root directory.
   * ENOENT where no procfs is mounted there, or has no such process; EACCES without the right to trace it.
   */
  netnsOpenOfProcess(rootFd: number, process: string): number
  /**
   * A read-only fd of the namespace that `fd` refers to, which may be O_PATH and stays open; EINVAL as in netnsOpen.
   */
  netnsReopen(fd: number): number

  // --- io_uring --------------------------------------------------------------------------------------------------
  /**
   * io_uring_setup and its mappings. `flags` IORING_SETUP_*, but none that changes the size of entries;
   * IORING_SETUP_CQSIZE is added. EPERM or ENOSYS where io_uring is forbidden or absent.
   */
  uringSetup(entries: number, cqEntries: number, flags: number): UringMapping
  /** IORING_REGISTER_FILES2 with the SPARSE flag: an empty table of fixed files. */
  uringRegisterFilesSparse(fd: number, count: number): void
  /** IORING_REGISTER_FILES_UPDATE of one slot; -1 empties it. */
  uringUpdateFile(fd: number, slot: number, file: number): void
  /**
   * io_uring_enter with IORING_ENTER_GETEVENTS|EXT_ARG and a timeout. Returns the number submitted or a negative errno
   * (-ETIME if the timeout passed before `minComplete` completions came). If entries were submitted, the kernel returns
   * their number instead of -ETIME, so the caller checks the ring. `timeoutMs` < 0 waits without bound; it may have a
   * fraction.
   */
  uringEnter(fd: number, toSubmit: number, minComplete: number, timeoutMs: number): number
  /** Closes the ring's fd and sets it to -1; the mappings stay until their ArrayBuffers are collected. */
  uringClose(mapping: UringMapping): void
  /** Less than 4 GiB (ENOMEM). All of the slab has the same upper half of its address. */
  slabCreate(bytes: number): Slab
  /** Gives the whole pages of a range back to the system (MADV_DONTNEED); they read as zeros from now on. */
  memoryDiscard(memory: Uint8Array, offset: number, length: number): void

  // --- batched I/O (the poll engine) -----------------------------------------------------------------------------
  /**
   * Carries out `count` operations in order. Each is four int32 in `ops`: [opcode, fd, byte offset in the slab,
   * length], opcode 0 = read, 1 = write. The result overwrites the fourth: bytes, or a negative errno. Opcode 2 =
   * gathered write: the third is the offset of its list of pieces in the slab, and the fourth their number, at most
   * 256. A piece is two int32: offset in the slab and length. After a failed read of an fd, the reads of the same fd
   * that follow it directly get the same result without a call. -EFAULT for a range outside the slab, -EINVAL for
   * another opcode, too many pieces, or a list that is not aligned.
   *
   * `aio`: a context of aioSetup, or 0. With a context, consecutive operations are carried out in order by one
   * io_submit(2), and no read is skipped. Gathered writes, and fewer than four operations, take a call each. For fds
   * that are O_NONBLOCK.
   */
  ioBatch(slab: ArrayBuffer, ops: Int32Array, count: number, aio: number): void
  /** A context of Linux's asynchronous I/O for `ioBatch`; throws where that is missing or forbidden. */
  aioSetup(): number
  aioDestroy(aio: number): void
  epollCreate(): number
  /** EPOLL_CTL_ADD; `events` EPOLL* bits (EPOLLIN 1, EPOLLONESHOT 1<<30, …), `tag` comes back from epollWait. */
  epollAdd(epollFd: number, fd: number, events: number, tag: number): void
  epollRemove(epollFd: number, fd: number): void
  /**
   * Fills `out` with pairs [tag, events], at most 256; the number of pairs, or a negative errno. `timeoutMs` < 0 waits
   * without bound; it may have a fraction.
   */
  epollWait(epollFd: number, out: Int32Array, timeoutMs: number): number

  // --- sockets ---------------------------------------------------------------------------------------------------
  /**
   * An AF_NETLINK socket (NONBLOCK, CLOEXEC), bound, with NETLINK_EXT_ACK and NETLINK_CAP_ACK on and strict checking
   * (NETLINK_GET_STRICT_CHK) where known. Belongs to, and pins, the namespace of `netnsFd`, {@link OWN_NETNS} or an fd.
   */
  netlinkOpen(protocol: number, netnsFd: number): number
  /** setsockopt(SOL_NETLINK, option, value): NETLINK_ADD_MEMBERSHIP 1, NETLINK_LISTEN_ALL_NSID 8, … */
  netlinkSetOption(fd: number, option: number, value: number): void
  /** setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, or SO_RCVBUF where not allowed). */
  socketSetReceiveBuffer(fd: number, bytes: number): void
  /** One datagram to the kernel. */
  netlinkSend(fd: number, message: Uint8Array): void
  /**
   * recvmsg: bytes received, or a negative errno (-EAGAIN, -ENOBUFS, -EMSGSIZE when a message was longer than `into`
   * and is lost); `nsid` is the NSID of the namespace the message came from (cmsg NETLINK_LISTEN_ALL_NSID), -1 for the
   * socket's own. Only messages of the kernel are received.
   */
  netlinkReceive(fd: number, into: Uint8Array): { length: number; nsid: number }
  /**
   * Waits (poll(2)) up to `timeoutMs`, < 0 without bound, for the fd to be readable, at its end, or in error; false
   * after the timeout.
   */
  waitReadable(fd: number, timeoutMs: number): boolean
  /**
   * One AF_UNIX datagram to `path` (a leading @ means the abstract namespace), with `fds` (at most 253) as SCM_RIGHTS.
   * Waits up to 5 s for a receiver that does not read, then EAGAIN.
   */
  unixSendDatagram(path: string, message: Uint8Array, fds: number[]): void
  /** SO_PEERCRED of a connected unix socket. */
  peerCredentials(fd: number): Credentials
  /** SO_PEERPIDFD, the process that connected, even if it is of another pid namespace; ENOPROTOOPT before Linux 6.5. */
  peerPidfd(fd: number): number
  /** pidfd_open(2). A pidfd is readable (`waitReadable`) from the end of its process on. */
  pidfdOpen(pid: number): number
  /** pidfd_getfd(2): a duplicate of the process's fd. EBADF if it has none; EPERM without the right to trace it. */
  pidfdGetFd(pidfd: number, fd: number): number
  /** PIDFD_GET_NET_NAMESPACE; ENOTTY before Linux 6.11. */
  pidfdGetNetns(pidfd: number): number
  /**
   * SIOCETHTOOL on `name` in the namespace of a socket of any kind; `command` (struct ethtool_*, beginning with its
   * number) is overwritten by the answer, which is cut to its length.
   */
  ethtool(socket: number, name: Uint8Array, command: Uint8Array): void

  // --- bpf(2), raw -----------------------------------------------------------------------------------------------
  /** BPF_MAP_CREATE of an array map, BPF_F_MMAPABLE: `entries` values of `valueSize` bytes. `name` is cut to 15. */
  bpfCreateArrayMap(valueSize: number, entries: number, name: string): number
  /** The first `bytes` of a mmapable array map, shared with the kernel: each value begins at a multiple of 8. */
  bpfMapMemory(fd: number, bytes: number): ArrayBuffer
  /** BPF_PROG_LOAD; instructions of 8 bytes each. Throws with the verifier's log in `doing` when it is refused. */
  bpfLoadProgram(type: number, instructions: Uint8Array, license: string, name: string): number

  // --- process ---------------------------------------------------------------------------------------------------
  /** prctl(PR_SET_NAME) of the calling thread; cut to 15 bytes. */
  setThreadName(name: string): void
  /**
   * sched_setaffinity(2) of the calling thread: it runs only on these CPUs. The kernel ignores CPUs that the process
   * may not use; EINVAL if none is left.
   */
  setThreadAffinity(cpus: Int32Array): void
  /** sched_getaffinity(2) of the calling thread: the CPUs that it may run on, ascending. */
  getThreadAffinity(): number[]
  /** sched_yield(2): lets the other threads that wait for this CPU run first. */
  yieldThread(): void
  /**
   * Constants and struct offsets as the C compiler of this build saw them: `TUNSETIFF`, `offsetof(struct x, y)`,
   * `sizeof(struct x)`. Values of constants that the build's headers lacked come from compat.h and are listed in
   * `missing`.
   */
  abi(): { values: Record<string, number>; missing: string[] }
}

/** The folder of the package that this file belongs to. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (folder !== '/' && !existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

function load(): Native {
  const folder = packageFolder()
  const addon = join(folder, 'native-bindings/build/Release/vethd.node')
  const remedy = `run "npm run build:native" in ${folder} (it needs gcc and libc6-dev)`
  if (!existsSync(addon)) throw new Error(`the native addon is not built: ${remedy}`)
  try {
    return createRequire(import.meta.url)(addon) as Native
  } catch (cause) {
    const { message } = cause as Error
    throw new Error(`the native addon cannot be loaded, as one of another architecture: ${remedy}. ${message}`, {
      cause,
    })
  }
}

/** Loads the addon at first use, so that importing this module never fails. */
let loaded: Native | undefined

/** The addon. If it is not built, or not for this machine, throws an error that names the command to run. */
export function native(): Native {
  loaded ??= load()
  return loaded
}
