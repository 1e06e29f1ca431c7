/**
 * Errors of the control API: RFC 9457 problem documents, with all that a command line needs to print iproute2's text.
 * Neighbours: src/errors.ts has the codes, server.ts sends these.
 */
import type { FastifyError } from 'fastify'
import type { NativeError } from '../native-bindings/index.js'
import { EACCES, EEXIST, EPERM } from '../src/abi/errno.js'
import type { Problem } from '../src/api/schema.js'
import { ERRORS, noMoreFiles, VethdError } from '../src/errors.js'
import { NetlinkError } from '../src/netlink/rtnetlink.js'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** Converts anything that a route threw to an error of the table. */
export function toVethdError(error: unknown): VethdError {
  if (error instanceof VethdError) return error
  if (error instanceof NetlinkError) return ofKernel(error, error.iproute2)
  if (isNativeError(error)) return ofKernel(error)
  if (isRequestError(error)) return new VethdError('REQUEST_INVALID', error.message, { cause: error })
  const message = error instanceof Error ? error.message : String(error)
  return new VethdError('INTERNAL', `${message}: please report it, with the daemon's log`, { cause: error })
}

function ofKernel(error: NodeJS.ErrnoException, iproute2?: string): VethdError {
  const limit = noMoreFiles(error)
  if (limit !== undefined) return limit
  const { errno, syscall, message } = error
  const details = { iproute2, errno, syscall, cause: error }
  if (errno === -EPERM || errno === -EACCES) return new VethdError('NOT_PERMITTED', message, details)
  if (errno === -EEXIST) return new VethdError('DEVICE_EXISTS', message, details)
  return new VethdError('KERNEL_REFUSED', message, details)
}

function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'syscall' in error && 'errno' in error
}

/** Fastify's own refusals: a body that is not JSON, is too long, or does not match the schema. */
function isRequestError(error: unknown): error is FastifyError {
  const status = (error as FastifyError).statusCode
  return status !== undefined && status >= 400 && status < 500
}

/** The document; `removed` as in the schema. */
export function problemOf(error: VethdError, removed?: number): Problem {
  const { code, status, exit, iproute2, errno, syscall } = error
  return {
    type: `urn:vethd:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title: ERRORS[code].title,
    status: requestStatus(error) ?? status,
    detail: error.message,
    code,
    exit,
    iproute2,
    errno,
    syscall,
    removed,
  }
}

/** Fastify's 413 and 415 are more specific than the table's 400. */
function requestStatus({ code, cause }: VethdError): number | undefined {
  return code === 'REQUEST_INVALID' ? (cause as FastifyError | undefined)?.statusCode : undefined
}
