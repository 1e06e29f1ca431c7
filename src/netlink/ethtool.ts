/**
 * The ethtool settings that make a TAP look like a veth (GRO off, 10000 Mb/s full duplex), and the features that `ethtool -K`
 * switches.
 *
 * SIOCETHTOOL finds a device by name in the namespace of the socket (rtnetlink.ts, inNetns), of any kind. Every call throws
 * the addon's NativeError (ENODEV, EOPNOTSUPP, EPERM). The kernel's side is net/ethtool/ioctl.c and drivers/net/tun.c.
 */
import { native } from '../../native-bindings/index.js'
import * as abi from '../abi/ethtool.js'
import { encodeText } from '../abi/text.js'
import { HOST_LITTLE_ENDIAN, readString, viewOf } from './codec.js'
import type { Rtnetlink } from './rtnetlink.js'

/** Link mode masks in struct ethtool_link_settings: supported, advertised, advertised by the partner. */
const LINK_MODE_MASKS = 3

export function setGro(rtnl: Rtnetlink, name: string, on: boolean): void {
  const value = ethtoolCommand(abi.ETHTOOL_SGRO, abi.ETHTOOL_VALUE_SIZE)
  viewOf(value).setUint32(abi.ETHTOOL_VALUE_DATA, on ? 1 : 0, HOST_LITTLE_ENDIAN)
  ethtool(rtnl, name, value)
}

/**
 * Sets the speed in Mb/s, full duplex, without autonegotiation. A TAP only stores it; its default of 10 has made OSPF
 * compute costs of 10000.
 */
export function setLinkSpeed(rtnl: Rtnetlink, name: string, speedMbps: number): void {
  // A request with a wrong number of words for the link mode masks gets the right number back, negated.
  const handshake = ethtoolCommand(abi.ETHTOOL_GLINKSETTINGS, abi.ETHTOOL_LINK_SETTINGS_SIZE)
  ethtool(rtnl, name, handshake)
  const words = -viewOf(handshake).getInt8(abi.ETHTOOL_LINK_SETTINGS_NWORDS)
  const masksLen = LINK_MODE_MASKS * words * 4
  const settings = ethtoolCommand(abi.ETHTOOL_SLINKSETTINGS, abi.ETHTOOL_LINK_SETTINGS_SIZE + masksLen)
  const view = viewOf(settings)
  view.setUint32(abi.ETHTOOL_LINK_SETTINGS_SPEED, speedMbps, HOST_LITTLE_ENDIAN)
  view.setUint8(abi.ETHTOOL_LINK_SETTINGS_DUPLEX, abi.DUPLEX_FULL)
  view.setUint8(abi.ETHTOOL_LINK_SETTINGS_PORT, abi.PORT_TP)
  view.setUint8(abi.ETHTOOL_LINK_SETTINGS_AUTONEG, abi.AUTONEG_DISABLE)
  view.setInt8(abi.ETHTOOL_LINK_SETTINGS_NWORDS, words)
  ethtool(rtnl, name, settings)
}

/** A feature as `ethtool -k` shows it. */
export interface Feature {
  /** Requested: by the device's default, or by `ethtool -K`. */
  requested: boolean
  /** On: requested, offered by the driver, and allowed by the other features. */
  active: boolean
}

/** The features with these names, as far as this kernel has them. */
export function getFeatures<N extends string>(
  rtnl: Rtnetlink,
  name: string,
  features: readonly N[],
): Partial<Record<N, Feature>> {
  const all = featureNames(rtnl, name)
  const blocks = Math.ceil(all.length / 32)
  const answer = ethtoolCommand(
    abi.ETHTOOL_GFEATURES,
    abi.ETHTOOL_FEATURES_SIZE + blocks * abi.ETHTOOL_GET_FEATURES_BLOCK_SIZE,
  )
  const view = viewOf(answer)
  view.setUint32(abi.ETHTOOL_FEATURES_BLOCKS, blocks, HOST_LITTLE_ENDIAN)
  ethtool(rtnl, name, answer)
  const found: Partial<Record<N, Feature>> = {}
  for (const feature of features) {
    const index = all.indexOf(feature)
    if (index < 0) continue
    const block = abi.ETHTOOL_FEATURES_SIZE + (index >>> 5) * abi.ETHTOOL_GET_FEATURES_BLOCK_SIZE
    const bit = (at: number): boolean => ((view.getUint32(block + at, HOST_LITTLE_ENDIAN) >>> (index & 31)) & 1) === 1
    found[feature] = {
      requested: bit(abi.ETHTOOL_GET_FEATURES_BLOCK_REQUESTED),
      active: bit(abi.ETHTOOL_GET_FEATURES_BLOCK_ACTIVE),
    }
  }
  return found
}

/** `ethtool -K NAME FEATURE on|off …`, for features that this kernel has. */
export function switchFeatures(rtnl: Rtnetlink, name: string, features: readonly string[], on: boolean): void {
  const all = featureNames(rtnl, name)
  const blocks = Math.ceil(all.length / 32)
  const request = ethtoolCommand(
    abi.ETHTOOL_SFEATURES,
    abi.ETHTOOL_FEATURES_SIZE + blocks * abi.ETHTOOL_SET_FEATURES_BLOCK_SIZE,
  )
  const view = viewOf(request)
  view.setUint32(abi.ETHTOOL_FEATURES_BLOCKS, blocks, HOST_LITTLE_ENDIAN)
  for (const feature of features) {
    const index = all.indexOf(feature)
    const block = abi.ETHTOOL_FEATURES_SIZE + (index >>> 5) * abi.ETHTOOL_SET_FEATURES_BLOCK_SIZE
    const set = (at: number): void =>
      view.setUint32(
        block + at,
        (view.getUint32(block + at, HOST_LITTLE_ENDIAN) | (1 << (index & 31))) >>> 0,
        HOST_LITTLE_ENDIAN,
      )
    set(abi.ETHTOOL_SET_FEATURES_BLOCK_VALID)
    if (on) set(abi.ETHTOOL_SET_FEATURES_BLOCK_REQUESTED)
  }
  ethtool(rtnl, name, request)
}

/** The kernel's list of features. Their numbers are not ABI, but equal for all devices, so the first device is asked. */
let knownFeatures: string[] | undefined

function featureNames(rtnl: Rtnetlink, name: string): string[] {
  if (knownFeatures !== undefined) return knownFeatures
  const info = ethtoolCommand(abi.ETHTOOL_GSSET_INFO, abi.ETHTOOL_SSET_INFO_SIZE + 4)
  viewOf(info).setBigUint64(abi.ETHTOOL_SSET_INFO_MASK, 1n << BigInt(abi.ETH_SS_FEATURES), HOST_LITTLE_ENDIAN)
  ethtool(rtnl, name, info)
  const count = viewOf(info).getUint32(abi.ETHTOOL_SSET_INFO_SIZE, HOST_LITTLE_ENDIAN)
  const strings = ethtoolCommand(abi.ETHTOOL_GSTRINGS, abi.ETHTOOL_GSTRINGS_SIZE + count * abi.ETH_GSTRING_LEN)
  viewOf(strings).setUint32(abi.ETHTOOL_GSTRINGS_STRING_SET, abi.ETH_SS_FEATURES, HOST_LITTLE_ENDIAN)
  ethtool(rtnl, name, strings)
  knownFeatures = Array.from({ length: count }, (_, i) => {
    const at = abi.ETHTOOL_GSTRINGS_SIZE + i * abi.ETH_GSTRING_LEN
    return readString(strings.subarray(at, at + abi.ETH_GSTRING_LEN))
  })
  return knownFeatures
}

function ethtool(rtnl: Rtnetlink, name: string, command: Uint8Array): void {
  native().ethtool(rtnl.fd, encodeText(name), command)
}

/** A zeroed struct ethtool_* with its first field, the command, filled in. */
function ethtoolCommand(command: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  viewOf(bytes).setUint32(0, command, HOST_LITTLE_ENDIAN)
  return bytes
}
