/**
 * The name of a device, as text: what the kernel takes and gives as bytes (abi/text.ts).
 *
 * Neighbours: codec.ts reads and writes names inside netlink messages, ethtool.ts asks by name.
 */
import { native } from '../../native-bindings/index.js'
import { decodeText } from '../abi/text.js'

/** The present name of the device behind a TAP fd. Throws NativeError, EBADFD once it is gone. */
export function tapName(fd: number): string {
  return decodeText(native().tapGetInterface(fd).name)
}
