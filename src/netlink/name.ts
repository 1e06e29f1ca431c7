/**
 * Converts the name of a device between text and the kernel's bytes (abi/text.ts).
 *
 * Neighbours: codec.ts reads and writes names in netlink messages, ethtool.ts finds devices by name.
 */
import { native } from '../../native-bindings/index.js'
import { decodeText } from '../abi/text.js'

/** The present name of the device behind a TAP fd. Throws NativeError, EBADFD once it is gone. */
export function tapName(fd: number): string {
  return decodeText(native().tapGetInterface(fd).name)
}
