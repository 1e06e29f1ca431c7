/**
 * The commands of vethctl that iproute2 does not have, parsed by yargs: `stats`, `monitor`, `doctor`, and help.
 *
 * Imported only when one of them is run: loading yargs takes longer than the rest of vethctl's start.
 */
import yargs from 'yargs'
import { VethdError } from '../errors.js'
import { EXEC_USAGE } from './commands/exec.js'
import { LINK_USAGE } from './commands/link.js'
import type { MonitorOptions } from './commands/monitor.js'
import type { StatsOptions } from './commands/stats.js'
import { PING_USAGE } from './ping/options.js'

/** The words after `vethctl [ OPTIONS ]`, parsed. */
export interface OwnCommand extends StatsOptions, MonitorOptions {
  command: 'stats' | 'monitor' | 'doctor'
  json: boolean
  pretty: boolean
  help: boolean
}

const OPTIONS = `Options, before the object, as in ip:
  -n[etns] NETNS     act in this network namespace
  -s[tatistics]      show counters; if given twice, the error counters too
  -d[etails]         show queues, size limits and TAP settings
  -br[ief]           show one short line for each device
  -o[neline]         show each device on one line, with everything
  -h[uman-readable]  print counters as 1.60k; with -iec as 1.56Ki
  -c[olor][=WHEN]    use colours: always, auto (on a terminal) or never
  -j[son]            print JSON; with -p[retty] indented
  -b[atch] FILE      read commands from a file, - for standard input
  -force             continue a batch after an error
  --socket PATH      the daemon's control socket ($VETHD_SOCKET, or /run/vethd/control.sock)
  -V[ersion] -help
`

function frame(words: readonly string[]) {
  return yargs([...words])
    .scriptName('vethctl')
    .locale('en')
    .usage('vethctl [ OPTIONS ] { link | stats | monitor | doctor | ping | exec }')
    .command('link', 'create, change, show and delete pairs of devices: vethctl link help')
    .command('stats [dev]', "show the kernel's counters, vethd's own, and those that a veth would have", (command) =>
      command
        .positional('dev', { type: 'string', describe: 'name of a device, or ID/a or ID/b (default: every device)' })
        .option('watch', { type: 'boolean', default: false, describe: 'refresh every second' }),
    )
    .command('monitor', 'stream changes to devices, one event a line, until Ctrl-C', (command) =>
      command.option('present', {
        type: 'boolean',
        default: false,
        describe: 'list existing devices first, then stream changes',
      }),
    )
    .command('doctor', 'check this machine, and tell which I/O engine and offloads vethd uses, and why')
    .command('ping', 'send echoes through a pair, and report how far each came: vethctl ping ADDRESS')
    .command('exec', 'run a program whose "ip link add ... type veth" creates pairs of vethd: vethctl exec -- COMMAND')
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

/** Parses `stats …`, `monitor …` or `doctor …`. Throws ARGUMENT_INVALID with yargs' message. */
export function parseOwnCommand(words: readonly string[]): OwnCommand {
  const { _, dev, watch, present, json, pretty, help } = frame(words).parseSync() as unknown as Omit<
    OwnCommand,
    'command'
  > & {
    _: [OwnCommand['command']]
  }
  return { command: _[0], dev, watch, present, json, pretty, help }
}
