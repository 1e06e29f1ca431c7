/** What every command of vethctl is given: the options before the object, the daemon's client, and where to write. */
import type { Client } from '../../client/client.js'
import type { Options } from '../options.js'

export interface Context {
  options: Options
  client: Client
  /** Writes to stdout, as it is. */
  out(text: string): void
  /** Writes to stderr, as it is. */
  err(text: string): void
}
