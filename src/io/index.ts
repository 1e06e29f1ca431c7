/**
 * Chooses the engine: tries everything that the io_uring engine needs on a real TAP, and names what is missing.
 */

import { type NativeError, native } from '../../native-bindings/index.js'
import { EAGAIN, ECANCELED, errnoName } from '../abi/errno.js'
import { IFF_NO_PI, IFF_TAP, IFF_VNET_HDR } from '../abi/if-tun.js'
import { VethdError } from '../errors.js'
import type { FrameIo } from './frame-io.js'
import { PollIo } from './poll.js'
import { MAX_LANES } from './slab.js'
import { FILE_SLOTS, UringIo } from './uring.js'

export type EngineName = 'uring' | 'poll'

export const ENGINE_CHOICES = ['auto', 'uring', 'poll'] as const
export type EngineChoice = (typeof ENGINE_CHOICES)[number]

/** The chosen engine, and the reason. */
export interface EngineReport {
  name: EngineName
  asked: EngineChoice
  /** One line for the log and `vethctl doctor`. */
  reason: string
  /** The requirements of the io_uring engine that are missing; empty if it works. */
  missing: string[]
}

/** Creates an engine for the calling thread. `wakeFd`: the eventfd that ends its waits. */
export function createEngine(name: EngineName, wakeFd: number): FrameIo {
  return name === 'uring' ? new UringIo(wakeFd) : new PollIo(wakeFd)
}

/**
 * Chooses an engine. `scratchNetns` is a namespace for a temporary TAP; the caller keeps its fd. Throws
 * ENGINE_UNAVAILABLE if io_uring was requested and something is missing.
 */
export function chooseEngine(asked: EngineChoice, scratchNetns: number): EngineReport {
  const missing = probeUring(scratchNetns)
  if (asked === 'poll') return { name: 'poll', asked, reason: 'asked for', missing }
  if (missing.length === 0) {
    const reason = asked === 'uring' ? 'asked for' : 'io_uring has everything that is needed'
    return { name: 'uring', asked, reason, missing }
  }
  if (asked === 'uring')
    throw new VethdError(
      'ENGINE_UNAVAILABLE',
      `the io_uring engine does not work here: ${missing.join('; ')}. Start vethd with --engine auto or poll`,
    )
  return { name: 'poll', asked, reason: `io_uring lacks: ${missing.join('; ')}`, missing }
}

/** Describes what the io_uring engine lacks; empty if it works. */
function probeUring(scratchNetns: number): string[] {
  const wakeFd = native().eventfd()
  let fd = -1
  let io: UringIo | undefined
  try {
    io = new UringIo(wakeFd)
    fd = native().tapOpen('', IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, scratchNetns)
    return tryOnTap(io, fd)
  } catch (error) {
    return [explain(error as NativeError)]
  } finally {
    io?.close()
    if (fd >= 0) native().close(fd)
    native().close(wakeFd)
  }
}

/** An empty TAP must answer a read at once, keep a wait pending, and allow its cancellation. */
function tryOnTap(io: UringIo, fd: number): string[] {
  const outcome = (): number => {
    let seen = 0
    io.submit(0)
    io.reap({
      completed: (_op, _lane, _slot, result) => {
        seen = result
      },
    })
    return seen
  }
  io.addLane(0, fd, fd)
  io.read(0, MAX_LANES)
  const read = outcome()
  if (read !== -EAGAIN) return [`RWF_NOWAIT on a TAP answered ${errnoName(-read)} (works from kernel 6.4 on)`]
  io.wait(0)
  const wait = outcome()
  if (wait !== 0) return [`a READ of an empty TAP answered ${errnoName(-wait)} instead of waiting`]
  io.cancelWait(0)
  const cancelled = outcome()
  if (cancelled !== -ECANCELED) return [`ASYNC_CANCEL of a waiting READ answered ${errnoName(-cancelled)}`]
  io.removeLane(0)
  return []
}

function explain(error: NativeError): string {
  const syscall = error.syscall ?? ''
  if (!syscall.startsWith('io_uring')) return error.message
  if (error.code === 'EPERM')
    return `${syscall}: EPERM, forbidden here (a seccomp profile, or kernel.io_uring_disabled)`
  if (error.code === 'ENOSYS') return `${syscall}: ENOSYS, this kernel is built without it`
  if (error.code === 'EMFILE')
    return `${syscall}: EMFILE, fewer than ${FILE_SLOTS} files may be open (LimitNOFILE= or ulimit -n)`
  if (error.code === 'EINVAL') return `${syscall}: EINVAL, this kernel is too old (6.4 is needed)`
  return `${syscall}: ${error.code}`
}
