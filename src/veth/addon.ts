/**
 * Whether the native addon is there: asked before anything else, since whatever fails first without it would not say why.
 *
 * Neighbours: driver.ts and the daemon begin with it.
 */
import { type Native, native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'

/** The addon. ADDON_MISSING, with what to do, where it is not built or not for this machine. */
export function requireAddon(): Native {
  try {
    return native()
  } catch (error) {
    throw new VethdError('ADDON_MISSING', (error as Error).message, { cause: error })
  }
}
