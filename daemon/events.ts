/**
 * What happens to pairs and devices, told in the log: made, removed and why, and what somebody did to a device behind
 * vethd's back. Neighbours: src/veth/driver.ts emits, main.ts listens.
 */
import { netnsName } from '../src/netlink/netns.js'
import type { Device, KnownState } from '../src/veth/device.js'
import type { Driver } from '../src/veth/driver.js'
import type { Log } from './log.js'

export function logEvents(driver: Driver, log: Log): void {
  const last = new WeakMap<Device, KnownState>()

  driver.on('pair-added', (pair) => {
    const [dev, peer] = pair.devices.map(({ known }) => known?.name)
    log.info({ pair: pair.id, dev, peer, checksum: pair.checksum }, 'pair added')
  })
  driver.on('pair-removed', (pair, reason) => log.info({ pair: pair.id, reason }, 'pair removed'))
  driver.on('device-changed', (device) => {
    const before = last.get(device)
    const now = device.known
    if (now === null) return
    last.set(device, now)
    const fields = { device: device.reference, name: now.name }
    if (before === undefined) return
    if (before.inode !== now.inode) {
      log.info({ ...fields, netns: netnsName(now.inode) ?? null, netns_inode: now.inode }, 'device moved')
    }
    if (before.name !== now.name) log.info({ ...fields, was: before.name }, 'device renamed')
  })
}
