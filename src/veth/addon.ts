/**
 * Checks that the native addon can be loaded. It is called before everything else, so that a missing addon gives a
 * clear error.
 *
 * Neighbours: birth/nursery.ts and the daemon call it first.
 */
import { type Native, native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'

/** The addon. Throws ADDON_MISSING, with the remedy, if it was not built or was built for another machine. */
export function requireAddon(): Native {
  try {
    return native()
  } catch (error) {
    throw new VethdError('ADDON_MISSING', (error as Error).message, { cause: error })
  }
}
