/**
 * Error output of vethctl: first iproute2's own text, if it has one, then one line with the cause and the next step.
 */
import { VethdError } from '../errors.js'

/** Writes an error, and returns its exit code. */
export function report(error: unknown, err: (text: string) => void): number {
  if (error instanceof VethdError) {
    if (error.iproute2 !== undefined) err(`${error.iproute2}\n`)
    err(`vethctl: ${error.message}\n`)
    return error.exit
  }
  err(`vethctl: a fault of vethctl itself: ${error instanceof Error ? error.stack : String(error)}\n`)
  return 1
}
