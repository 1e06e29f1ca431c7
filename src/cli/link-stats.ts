/**
 * The kernel's counters of a link as `ip -s [-s] link show` has them, in JSON and as text.
 * Neighbour: link-format.ts, which includes them in its output.
 */
import type { Stats64 } from '../api/schema.js'
import type { Appearance } from './appearance.js'
import type { Json } from './json.js'

/** `stats64`: with error counters only if `-s` was given twice (then `carrierChanges` is set); omits rare ones that are 0. */
export function statsJson({ rx, tx }: Stats64, carrierChanges: number | undefined): Json {
  const all = carrierChanges !== undefined
  const unlessZero = (counter: string) => (counter === '0' ? undefined : BigInt(counter))
  return {
    rx: {
      bytes: BigInt(rx.bytes),
      packets: BigInt(rx.packets),
      errors: BigInt(rx.errors),
      dropped: BigInt(rx.dropped),
      over_errors: BigInt(rx.over_errors),
      multicast: BigInt(rx.multicast),
      compressed: unlessZero(rx.compressed),
      ...(all && {
        length_errors: BigInt(rx.length_errors),
        crc_errors: BigInt(rx.crc_errors),
        frame_errors: BigInt(rx.frame_errors),
        fifo_errors: BigInt(rx.fifo_errors),
        missed_errors: BigInt(rx.missed_errors),
        nohandler: unlessZero(rx.nohandler),
      }),
    },
    tx: {
      bytes: BigInt(tx.bytes),
      packets: BigInt(tx.packets),
      errors: BigInt(tx.errors),
      dropped: BigInt(tx.dropped),
      carrier_errors: BigInt(tx.carrier_errors),
      collisions: BigInt(tx.collisions),
      compressed: unlessZero(tx.compressed),
      ...(all && {
        aborted_errors: BigInt(tx.aborted_errors),
        fifo_errors: BigInt(tx.fifo_errors),
        window_errors: BigInt(tx.window_errors),
        heartbeat_errors: BigInt(tx.heartbeat_errors),
        carrier_changes: carrierChanges,
      }),
    },
  }
}

/** print_stats64 of ip/ipaddress.c: columns as wide as the widest number of both directions. */
export function statsText(
  { rx, tx }: Stats64,
  carrierChanges: number | undefined,
  { eol, number, exact }: Appearance,
): string {
  const all = carrierChanges !== undefined
  const rows = [
    [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors, rx.multicast, rx.compressed],
    [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions, tx.compressed],
  ]
  if (all) {
    rows.push(
      ['', rx.length_errors, rx.crc_errors, rx.frame_errors, rx.fifo_errors, rx.over_errors, rx.nohandler],
      ['', '', tx.aborted_errors, tx.fifo_errors, tx.window_errors, tx.heartbeat_errors, `${carrierChanges}`],
    )
  }
  const least = ['*X errors:', 'packets', 'errors', 'dropped', 'heartbt', 'overrun', 'compressed']
  const width = least.map((title, i) => Math.max(title.length, ...rows.map((row) => (exact ? row[i].length : 0))))
  const cells = (counters: string[]) => counters.map((count, i) => `${number(count).padStart(width[i])} `).join('')
  const row = (texts: string[], compressed: string) => cells(compressed === '0' ? texts.slice(0, 6) : texts)
  const titles = (what: string, texts: string[], compressed: string) => {
    const shown = [...texts, compressed === '0' ? '' : 'compressed']
    return `    ${what}: ${shown.map((text, i) => text.padStart(width[i] - (i === 0 ? 4 : 0))).join(' ')}${eol}    `
  }
  const errorTitles = (what: string, texts: string[]) =>
    `${eol}    ${what} errors:${['', ...texts].map((text, i) => text.padStart(width[i] - (i === 0 ? 10 : 0))).join(' ')}`
  const indent = ' '.repeat(width[0] + 5)
  const errorCells = (counters: string[]) =>
    counters.map((count, i) => `${number(count).padStart(width[i + 1])} `).join('')

  let text = titles('RX', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'], rx.compressed)
  text += row(rows[0], rx.compressed)
  if (all) {
    const nohandler = rx.nohandler === '0' ? '' : ` ${'nohandler'.padStart(width[6])}`
    text += `${errorTitles('RX', ['length', 'crc', 'frame', 'fifo', 'overrun'])}${nohandler}${eol}${indent}`
    text += errorCells(rows[2].slice(1, rx.nohandler === '0' ? 6 : 7))
  }
  text += `${eol}${titles('TX', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'], tx.compressed)}`
  text += row(rows[1], tx.compressed)
  if (all) {
    text += `${errorTitles('TX', ['aborted', 'fifo', 'window', 'heartbt', 'transns'])}${eol}${indent}`
    text += errorCells([tx.aborted_errors, tx.fifo_errors, tx.window_errors, tx.heartbeat_errors, `${carrierChanges}`])
  }
  return text
}
