/**
 * Where a device is, in the words of the user who typed the command: the namespace in which vethctl was called goes
 * without saying, and commands are those that the user can type there.
 *
 * With `-n` this process is in another namespace than its caller (commands/ping.ts starts it so).
 */
import { statSync } from 'node:fs'
import type { Device } from '../../api/schema.js'

/** The namespace of this process, as a request names it. */
export const HERE = '/proc/self/ns/net'

/** The variable by which `-n` tells its child the pid of the vethctl that was called. */
export const CALLER_PID = 'VETHD_PING_PID'

export interface Place {
  /** `veth2`, or `veth2 (netns t1)`. */
  name: string
  /** `netns t1`, `this namespace`, or its inode where it has no name. */
  where: string
  /** Whether `ip` can be asked there, through `file` if it is not the namespace of this process. */
  isOpen: boolean
  file?: string
  /** The words of a program as they are typed to run it there. */
  command(program: string, ...words: string[]): string
}

export function placeOf({ ifname, vethd }: Device): Place {
  return placeIn(ifname, vethd.netns, vethd.netns_inode)
}

/** The peer's, when that is not gone. */
export function peerPlaceOf({ vethd }: Device): Place | undefined {
  if (vethd.peer === null || vethd.peer_netns_inode === null) return undefined
  return placeIn(vethd.peer, vethd.peer_netns, vethd.peer_netns_inode)
}

function placeIn(device: string, netns: string | null, inode: number): Place {
  const isHere = inode === inodeOf(HERE)
  const { [CALLER_PID]: pid } = process.env
  const caller = pid === undefined ? HERE : `/proc/${pid}/ns/net`
  if (inode === inodeOf(caller)) {
    const command = (...words: string[]) => words.join(' ')
    return { name: device, where: 'this namespace', isOpen: true, file: isHere ? undefined : caller, command }
  }
  const file = `/var/run/netns/${netns}`
  // vethd may see another /var/run/netns
  if (netns !== null && inode === inodeOf(file)) {
    const command = (program: string, ...words: string[]) =>
      [...(program === 'ip' ? ['ip', '-n', netns] : ['ip', 'netns', 'exec', netns, program]), ...words].join(' ')
    const where = `netns ${netns}`
    return { name: `${device} (${where})`, where, isOpen: true, file: isHere ? undefined : file, command }
  }
  const where = `net:[${inode}]`
  const command = (...words: string[]) => `${words.join(' ')} (in ${where}: lsns -t net)`
  return { name: `${device} (${where})`, where, isOpen: isHere, command }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}
