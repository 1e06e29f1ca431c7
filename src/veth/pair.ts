/** A pair: two devices, what they were joined with, and an id that stays whatever they are called. */
import type { Device } from './device.js'
import type { ChecksumMode } from './options.js'

export class Pair {
  readonly id: number
  readonly checksum: ChecksumMode
  readonly createdAt = new Date()
  /** The device that was asked for (`dev`), registered second. */
  a!: Device
  /** Its peer, registered first. */
  b!: Device
  /** Set while the pair is being removed. */
  removal: Promise<void> | null = null

  constructor(id: number, checksum: ChecksumMode) {
    this.id = id
    this.checksum = checksum
  }

  get devices(): [Device, Device] {
    return [this.a, this.b]
  }
}
