/**
 * `vethctl stats [DEV] [--watch]`: the kernel's counters, vethd's own, and those that a veth would have.
 * Neighbours: stats-format.ts formats them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { formatJson } from '../json.js'
import { statsJson, statsText } from '../stats-format.js'
import type { Context } from './context.js'

export interface StatsOptions {
  dev?: string
  watch: boolean
}

const WATCH_INTERVAL_MS = 1000
const CLEAR_SCREEN = '\x1b[H\x1b[2J'

export async function stats({ dev, watch }: StatsOptions, context: Context): Promise<number> {
  context.out(await read(dev, context))
  if (!watch) return 0
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  try {
    for (;;) {
      await sleep(WATCH_INTERVAL_MS, undefined, { signal: interrupt.signal })
      const now = await read(dev, context)
      context.out(process.stdout.isTTY && !context.options.json ? CLEAR_SCREEN + now : now)
    }
  } catch (error) {
    if (interrupt.signal.aborted) return 0
    throw error
  } finally {
    process.off('SIGINT', stop)
  }
}

async function read(dev: string | undefined, { client, options }: Context): Promise<string> {
  const { devices } = await client.stats({ dev, netns: options.netns })
  if (!options.json) return devices.map(statsText).join('\n')
  return `${formatJson(devices.map(statsJson), options.pretty)}\n`
}
