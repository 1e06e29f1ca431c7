/**
 * All errors of vethd: the code, the HTTP status of the control API, and the exit code of the command line. A test compares
 * docs/errors.md with this table.
 *
 * The exit codes are iproute2's: 1 not found or incomplete, 2 refused by the kernel (or by the driver in its place), 255 a
 * wrong argument.
 */
import { EMFILE, ENFILE } from './abi/errno.js'

/** One row: a description, the HTTP status, the exit code. */
export interface ErrorRow {
  readonly title: string
  readonly status: number
  readonly exit: number
}

export const ERRORS = {
  // --- wrong or impossible requests -------------------------------------------------------------------------------
  DEVICE_EXISTS: { title: 'a device of that name exists in that network namespace', status: 409, exit: 2 },
  DEVICE_NOT_FOUND: { title: 'no such device', status: 404, exit: 1 },
  DEVICE_AMBIGUOUS: { title: 'several devices have that name', status: 409, exit: 1 },
  PAIR_NOT_FOUND: { title: 'no such pair', status: 404, exit: 1 },
  NAME_INVALID: { title: 'a device name that the kernel refuses', status: 400, exit: 255 },
  ADDRESS_INVALID: { title: 'not a link layer address', status: 400, exit: 255 },
  ADDRESS_REFUSED: { title: 'a link layer address that a device cannot have', status: 400, exit: 2 },
  MTU_INVALID: { title: 'an MTU outside the limits', status: 400, exit: 2 },
  QUEUES_INVALID: { title: 'a number of queues that a TAP cannot have', status: 400, exit: 2 },
  NETNS_INVALID: { title: 'no such network namespace', status: 400, exit: 255 },
  CHECKSUM_MODE_INVALID: { title: 'not a checksum mode', status: 400, exit: 255 },
  ARGUMENT_INVALID: { title: 'a wrong argument', status: 400, exit: 255 },
  ARGUMENT_MISSING: { title: 'not enough information', status: 400, exit: 1 },
  REQUEST_INVALID: { title: 'a request that the control API does not understand', status: 400, exit: 255 },
  // --- refused by the machine -------------------------------------------------------------------------------------
  KERNEL_REFUSED: { title: 'the kernel refused', status: 422, exit: 2 },
  NOT_PERMITTED: { title: 'a capability is missing', status: 403, exit: 2 },
  TUN_UNAVAILABLE: { title: 'TAP devices cannot be opened', status: 503, exit: 2 },
  LIMIT_REACHED: { title: 'a limit of the machine is reached', status: 503, exit: 2 },
  ENGINE_UNAVAILABLE: { title: 'the requested I/O engine does not work here', status: 503, exit: 2 },
  ADDON_MISSING: { title: 'the native addon is not built, or not for this machine', status: 503, exit: 1 },
  RAW_SOCKET_MISSING: { title: 'the optional package raw-socket cannot be loaded', status: 503, exit: 2 },
  NO_ROUTE: { title: 'no route to that address through an end of a pair', status: 422, exit: 2 },
  // --- the daemon -------------------------------------------------------------------------------------------------
  DAEMON_NOT_RUNNING: { title: 'no daemon answers on the control socket', status: 503, exit: 1 },
  DAEMON_RUNNING: { title: 'another daemon answers on the control socket', status: 409, exit: 1 },
  DAEMON_SILENT: { title: 'the daemon does not answer', status: 504, exit: 1 },
  SOCKET_UNUSABLE: { title: 'the control socket cannot be used', status: 503, exit: 1 },
  INTERNAL: { title: 'an internal error of vethd', status: 500, exit: 1 },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** More about an error, all optional. */
export interface ErrorDetails {
  /** iproute2's own text for this case, without a new line: printed first. */
  iproute2?: string
  /** The exit code where it differs from the table's (iproute2 has several for some cases). */
  exit?: number
  /** Negative errno. */
  errno?: number
  syscall?: string
  cause?: unknown
}

/**
 * An error of the control path. `message` is one line with the cause and the next step. If iproute2 has its own text for the
 * case, that is `iproute2`, and is printed first.
 */
export class VethdError extends Error {
  readonly code: ErrorCode
  readonly iproute2?: string
  readonly errno?: number
  readonly syscall?: string
  readonly exit: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'VethdError'
    this.code = code
    this.iproute2 = details.iproute2
    this.errno = details.errno
    this.syscall = details.syscall
    this.exit = details.exit ?? ERRORS[code].exit
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

/** Converts EMFILE and ENFILE to an error that names the limit; undefined for every other error. */
export function noMoreFiles(cause: unknown): VethdError | undefined {
  const { errno, syscall } = cause as NodeJS.ErrnoException
  if (errno !== -EMFILE && errno !== -ENFILE) return undefined
  const which = errno === -EMFILE ? 'this process (LimitNOFILE= or ulimit -n)' : 'this machine (fs.file-max)'
  const message = `no more files can be opened: raise the limit of ${which}`
  return new VethdError('LIMIT_REACHED', message, { errno, syscall, cause })
}
