/**
 * `vethctl monitor [--present]`: streams changes to devices, one event a line, until Ctrl-C.
 * Neighbours: event-format.ts formats the lines.
 */
import { eventText } from '../event-format.js'
import { formatJson } from '../json.js'
import type { Context } from './context.js'

export interface MonitorOptions {
  present: boolean
}

const LOST = 'some events are lost: vethctl read them too slowly, or vethd was restarted'

export async function monitor({ present }: MonitorOptions, { client, options, out, err }: Context): Promise<number> {
  const end = new AbortController()
  const stop = () => end.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  process.stdout.once('error', stop) // the reader of the output is gone
  try {
    for await (const event of client.events({ netns: options.netns, present }, end.signal)) {
      if (event.kind === 'lost') err(`vethctl: ${LOST}\n`)
      else out(options.json ? `${formatJson(event, options.pretty)}\n` : eventText(event))
    }
    return 0
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    process.stdout.off('error', stop)
  }
}
