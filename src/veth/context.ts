/** The objects and settings that all pairs of one driver share. */
import type { AddressBook } from './birth/address-book.js'
import type { IndexBook } from './birth/index-book.js'
import type { Degradation, Device } from './device.js'
import type { DriverLog } from './log.js'
import type { Pool } from './pool.js'

export interface LinkContext {
  /** fd of the nursery namespace. */
  nursery: number
  pool: Pool
  /** TUN_F_* that work here (birth/offload.ts). */
  offloads: number
  /** Bytes of the vnet header of every device (birth/offload.ts). */
  vnetHdrLen: number
  /** IFF_* that the tun driver offers. */
  tunFeatures: number
  addresses: AddressBook
  indexes: IndexBook
  log: Pick<DriverLog, 'warn'>
  /** Reports that a device has lost a feature. */
  degraded(device: Device, degradation: Degradation): void
}
