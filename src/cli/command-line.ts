/**
 * The frame around iproute2's grammar, by yargs: help, and the words behind `stats`, `monitor` and `doctor`, which are
 * vethd's own. Loaded only when one of them is asked for: yargs costs more than the rest of vethctl's start.
 */
import yargs from 'yargs'
import { VethdError } from '../errors.js'
import { EXEC_USAGE } from './commands/exec.js'
import { LINK_USAGE } from './commands/link.js'
import type { MonitorOptions } from './commands/monitor.js'
import type { StatsOptions } from './commands/stats.js'
import { PING_USAGE } from './ping/options.js'

/** What stood behind the object. */
export interface OwnCommand extends StatsOptions, MonitorOptions {
  command: 'stats' | 'monitor' | 'doctor'
  json: boolean
  pretty: boolean
  help: boolean
}

const OPTIONS = `Options, before the object, as ip takes them:
  -n[etns] NETNS     act in that network namespace
  -s[tatistics]      counters; twice: the error counters too
  -d[etails]         queues, sizes, the TAP's own
  -br[ief]           a line a device
  -o[neline]         a line a device, with everything
  -h[uman-readable]  counters as 1.60k; with -iec as 1.56Ki
  -c[olor][=WHEN]    colours: always, auto (on a terminal) or never
  -j[son] -p[retty]  JSON, on one line or on many
  -b[atch] FILE      commands from a file, - for standard input
  -force             do not stop a batch at the first error
  --socket PATH      the daemon's control socket ($VETHD_SOCKET, or /run/vethd/control.sock)
  -V[ersion] -help
`

function frame(words: readonly string[]) {
  return yargs([...words])
    .scriptName('vethctl')
    .locale('en')
    .usage('vethctl [ OPTIONS ] { link | stats | monitor | doctor | ping | exec }')
    .command('link', 'make, change, show and delete pairs of devices: vethctl link help')
    .command('stats [dev]', "the kernel's counters, vethd's own, and what veth would show", (command) =>
      command
        .positional('dev', { type: 'string', describe: 'a name, or ID/a or ID/b; default: every device' })
        .option('watch', { type: 'boolean', default: false, describe: 'again each second, until Ctrl-C' }),
    )
    .command('monitor', 'devices as they come, change and go, an event a line, until Ctrl-C', (command) =>
      command.option('present', {
        type: 'boolean',
        default: false,
        describe: 'first those that are there, as added: with what follows the whole picture',
      }),
    )
    .command('doctor', 'whether vethd can work here, with which engine and offloads, and why')
    .command('ping', 'send echoes through a pair and say how far each came: vethctl ping ADDRESS')
    .command('exec', 'run a program whose "ip link add ... type veth" makes pairs of vethd: vethctl exec -- COMMAND')
    .option('json', { alias: 'j', type: 'boolean', default: false, describe: 'JSON' })
    .option('pretty', { alias: 'p', type: 'boolean', default: false, describe: 'JSON, indented' })
    .hide('json')
    .hide('pretty')
    .epilogue(`${OPTIONS}\n${LINK_USAGE}\n${PING_USAGE}\n${EXEC_USAGE}`)
    .version(false)
    .help(false)
    .option('help', { alias: 'h', type: 'boolean', default: false })
    .hide('help')
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new VethdError('ARGUMENT_INVALID', message.replace(/\s+/g, ' '))
    })
    .strict()
    .demandCommand(1, 1)
    .recommendCommands()
    .wrap(null)
}

export function help(words: readonly string[] = []): Promise<string> {
  return frame(words).getHelp()
}

/** Reads `stats …`, `monitor …` or `doctor …`. Throws ARGUMENT_INVALID in yargs' words. */
export function parseOwnCommand(words: readonly string[]): OwnCommand {
  const { _, dev, watch, present, json, pretty, help } = frame(words).parseSync() as unknown as Omit<
    OwnCommand,
    'command'
  > & {
    _: [OwnCommand['command']]
  }
  return { command: _[0], dev, watch, present, json, pretty, help }
}
