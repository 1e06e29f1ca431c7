/** The nursery: a namespace without a name, in which nobody sees a half-made device. */
import { noMoreFiles, VethdError } from '../../errors.js'
import { requireAddon } from '../addon.js'

/** Makes a nursery and returns its fd. NOT_PERMITTED without the capabilities, ADDON_MISSING without the addon. */
export function makeNursery(): number {
  const addon = requireAddon()
  try {
    return addon.netnsCreate()
  } catch (error) {
    const limit = noMoreFiles(error)
    if (limit !== undefined) throw limit
    throw new VethdError(
      'NOT_PERMITTED',
      'vethd needs CAP_SYS_ADMIN and CAP_NET_ADMIN to make network namespaces and TAP devices: run it as root',
      {
        iproute2: 'RTNETLINK answers: Operation not permitted',
        cause: error,
      },
    )
  }
}
