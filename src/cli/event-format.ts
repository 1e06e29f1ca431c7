/**
 * An event as one line of `vethctl monitor`: time, kind, the device's reference and name, its namespace, and the members of
 * the kind. Neighbour: commands/monitor.ts.
 *
 *     2026-01-01T12:00:00.123Z  added     1/a     veth1            t1                peer veth2 checksum offload carrier off
 *     2026-01-01T12:00:01.456Z  moved     1/b     veth2            net:[4026531840]  from t1
 */
import type { Event } from '../api/schema.js'

/** Column widths: the longest kind; a reference up to a thousand pairs; IFNAMSIZ - 1; a namespace without a name. */
const [KIND, REFERENCE, NAME, NETNS] = [8, 6, 15, 16]

export function eventText(event: Event): string {
  const { time, kind, device, name } = event
  const columns = [time, kind.padEnd(KIND), device.padEnd(REFERENCE), name.padEnd(NAME), netnsText(event).padEnd(NETNS)]
  return `${columns.join('  ')}  ${particulars(event)}\n`
}

function particulars(event: Event): string {
  switch (event.kind) {
    case 'added':
      return `peer ${event.peer ?? '-'} checksum ${event.checksum} carrier ${onOff(event.carrier)}`
    case 'removed':
      return event.reason
    case 'moved':
      return `from ${netnsText(event.from)}`
    case 'renamed':
      return `was ${event.was}`
    case 'carrier':
      return onOff(event.carrier)
    case 'degraded':
      return `${event.what}: ${event.why}`
  }
}

function netnsText({ netns, netns_inode }: { netns: string | null; netns_inode: number }): string {
  return netns ?? `net:[${netns_inode}]`
}

function onOff(on: boolean): string {
  return on ? 'on' : 'off'
}
