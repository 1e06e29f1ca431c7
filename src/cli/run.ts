/**
 * One command line of vethctl, from its options to its exit code.
 *
 *     options.ts ─→ commands/link.ts ─→ link-grammar.ts ─→ client ⇢ (socket) ⇢ daemon ─→ link-format.ts
 *              ├──→ batch.ts, line by line the same
 *              ├──→ commands/exec.ts ─→ COMMAND, with shim/ip and shim/tc before its ip and tc
 *              ├──→ commands/ping.ts, in a process of its own when its namespace is another
 *              └──→ command-line.ts ─→ commands/stats.ts, commands/monitor.ts, commands/doctor.ts
 *
 * Invariant: a command loads only the modules that it needs; a script may call vethctl a thousand times.
 */
import { Client } from '../client/client.js'
import { VethdError } from '../errors.js'
import type { Context } from './commands/context.js'
import { matches } from './keywords.js'
import { parseOptions } from './options.js'
import { report } from './report.js'

type Write = (text: string) => void

/** Runs one command line and returns its exit code. */
export async function run(words: readonly string[], out: Write, err: Write): Promise<number> {
  try {
    const { options, rest } = parseOptions(words)
    if (options.version) {
      const { packageVersion } = await import('../api/version.js')
      out(`vethctl ${packageVersion()}\n`)
      return 0
    }
    if (options.help || (rest.length === 0 && options.batch === undefined)) {
      const { help } = await import('./command-line.js')
      // ip without any words: its usage, and exit code 255
      ;(options.help ? out : err)(`${await help()}\n`)
      return options.help ? 0 : 255
    }
    const client = new Client(options.socket)
    const context: Context = { options, client, out, err }
    try {
      if (options.batch === undefined) return await runObject(rest, context)
      const { batch } = await import('./batch.js')
      return await batch(options.batch, context, (line) => runObject(line, context))
    } finally {
      client.close()
    }
  } catch (error) {
    return report(error, err)
  }
}

/** `link …`, `stats …`, `monitor …`, `doctor …`, `ping …`, `exec …`; the object may be abbreviated. */
async function runObject([object, ...words]: readonly string[], context: Context): Promise<number> {
  if (matches(object, 'link')) {
    const { link } = await import('./commands/link.js')
    return link(words, context)
  }
  if (matches(object, 'exec') && context.options.batch === undefined) {
    const { exec } = await import('./commands/exec.js')
    return exec(words, context)
  }
  if (matches(object, 'ping') && context.options.batch === undefined) {
    const { ping } = await import('./commands/ping.js')
    return ping(words, context)
  }
  const own = ['stats', 'monitor', 'doctor', 'help'].find((command) => matches(object, command))
  if (own === undefined) {
    const known = 'vethctl knows link, stats, monitor, doctor, ping and exec; for the rest there is ip'
    throw new VethdError('ARGUMENT_INVALID', known, {
      iproute2: `Object "${object}" is unknown, try "vethctl help".`,
      exit: 1,
    })
  }
  const { help, parseOwnCommand } = await import('./command-line.js')
  if (own === 'help') {
    context.out(`${await help()}\n`)
    return 0
  }
  const { command, json, pretty, help: asked, ...rest } = parseOwnCommand([own, ...words])
  if (asked) {
    context.out(`${await help([own])}\n`)
    return 0
  }
  const { options } = context
  const here = { ...context, options: { ...options, json: options.json || json, pretty: options.pretty || pretty } }
  if (command === 'doctor') {
    const { doctor } = await import('./commands/doctor.js')
    return doctor(here)
  }
  if (command === 'monitor') {
    const { monitor } = await import('./commands/monitor.js')
    return monitor(rest, here)
  }
  const { stats } = await import('./commands/stats.js')
  return stats(rest, here)
}
