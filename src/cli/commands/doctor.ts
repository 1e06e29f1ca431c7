/**
 * `vethctl doctor`: tells whether vethd can work on this machine, and with which engine and offloads. It asks the running daemon,
 * because the daemon's capabilities and probes matter. If no daemon answers, it checks what this process can check.
 */
import { checkMachine } from '../../api/machine.js'
import type { Check, Doctor } from '../../api/schema.js'
import { VethdError } from '../../errors.js'
import { formatJson } from '../json.js'
import type { Context } from './context.js'

/** Exit code 0 if vethd works or could work, 1 if something required is missing. */
export async function doctor(context: Context): Promise<number> {
  const { options, out } = context
  const { found, why } = await ask(context)
  const checks = found?.checks ?? checkMachine()
  if (options.json) {
    const alone = { daemon: null, reason: why ?? null, checks }
    out(`${formatJson(found === undefined ? alone : { ...found }, options.pretty)}\n`)
  } else {
    out(found === undefined ? `vethd    no answer: ${why}\n\n${checksText(checks)}` : doctorText(found, options.socket))
  }
  return checks.every(({ ok, required }) => ok || !required) ? 0 : 1
}

async function ask({ client }: Context): Promise<{ found?: Doctor; why?: string }> {
  try {
    return { found: await client.doctor() }
  } catch (error) {
    if (!(error instanceof VethdError)) throw error
    return { why: error.message }
  }
}

function doctorText({ daemon, pairs, checks, engine, workers, offloads }: Doctor, socket: string): string {
  const lines = [
    ['vethd', `${daemon.version}, pid ${daemon.pid}, Node ${daemon.node}, ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}`],
    ['socket', socket],
    ['engine', `${engine.name}: ${engine.reason}`],
    ...(engine.missing.length > 0 ? [['', `missing: ${engine.missing.join(', ')}`]] : []),
    [
      'workers',
      `${workers.length}: ${workers.map(({ cpus }) => `on ${cpus === null ? 'any CPU' : `CPU ${cpus}`}`).join('; ')}`,
    ],
    ['offloads', offloads.names.length > 0 ? offloads.names.join(' ') : 'none'],
    ...(offloads.refused.length > 0 ? [['', `refused: ${offloads.refused.join(' ')}`]] : []),
  ]
  return `${lines.map(([title, text]) => `${title.padEnd(9)}${text}\n`).join('')}\n${checksText(checks)}`
}

function checksText(checks: Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks.map((check) => `${verdict(check)}  ${check.name.padEnd(width)}  ${check.detail}\n`).join('')
}

function verdict({ ok, required }: Check): string {
  if (ok) return 'ok      '
  return required ? 'MISSING ' : 'without '
}
