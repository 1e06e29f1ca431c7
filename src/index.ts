/**
 * vethd as a library: `openPair()` makes a pair of joined devices in one's own process, `Tap` is one device whose other
 * end is a stream of Ethernet frames. Everything else that is exported are the types and errors of these two.
 *
 * Linux only, and it takes root (CAP_NET_ADMIN and CAP_SYS_ADMIN). Guide: docs/library.md.
 *
 * @packageDocumentation
 */
export { type ErrorCode, VethdError } from './errors.js'
export type { EngineName } from './io/index.js'
export {
  type ClosedReason,
  type DeviceSettings,
  type Netns,
  type OpenPairOptions,
  openPair,
  type PairEndOptions,
  type VethDevice,
  type VethPair,
} from './library/open-pair.js'
export { Tap, type TapOptions } from './library/tap.js'
export type { Stats64 } from './netlink/link-info.js'
export { NetlinkError } from './netlink/rtnetlink.js'
export type { ChecksumMode, EngineChoice } from './veth/options.js'
export type { DeviceStats, DropReason, Traffic } from './veth/stats.js'
