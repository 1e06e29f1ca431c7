/** The arguments of every command of vethctl: the options before the object, the daemon's client, and the output functions. */
import type { Client } from '../../client/client.js'
import type { Options } from '../options.js'

export interface Context {
  options: Options
  client: Client
  /** Writes to stdout, unchanged. */
  out(text: string): void
  /** Writes to stderr, unchanged. */
  err(text: string): void
}
