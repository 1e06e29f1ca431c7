/**
 * The README's blocks, and a private machine to run them in.
 *
 * The machine is a network and a mount namespace: it has the addresses and routes of the real machine, so that a block
 * whose network is taken here fails, an empty /run, and its own /sys. What it sends to its gateways arrives in a second
 * namespace, the outside, which answers for every gateway and for OUTSIDE.
 *
 *     machine (eth0: the machine's addresses) ═══ outside (the gateways, OUTSIDE)
 *
 * Neighbours: readme.test.ts runs most blocks here, test/long/readme-recipes.test.ts those of LONG_SECTIONS.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../device/harness/daemon.js'
import { must } from '../device/harness/processes.js'
import type { Topology } from '../device/harness/topology.js'

export interface Block {
  /** The heading that the block stands under. */
  section: string
  language: 'sh' | 'ts'
  text: string
  /** What it prints: the block `text` behind it in its section, if there is one. */
  output?: string
}

/** Sections whose blocks need podman, bridge-utils or a systemd that runs: seconds each, and packages of 93 MB. */
export const LONG_SECTIONS = ['Move an end into a running container', 'Run Mininet', 'Run vethd as a systemd service']

/** An address beyond the default route that the README pings. */
const OUTSIDE = '9.9.9.9'

/** The machine's own /run and /sys. Cgroups stay those of the real machine: podman needs them. */
const PREPARE = `
  mount -t tmpfs tmpfs /run
  mkdir /run/cgroup
  mount --rbind /sys/fs/cgroup /run/cgroup
  mount -t sysfs sysfs /sys
  mount --move /run/cgroup /sys/fs/cgroup
  rmdir /run/cgroup
  echo made
  exec cat`

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** The README's shell and TypeScript blocks, in order. */
export function readBlocks(): Block[] {
  const blocks: Block[] = []
  let section = ''
  // A fence is matched whole, so that a comment in it is no heading.
  for (const [, heading, language, text] of readme.matchAll(/^#+ (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) section = heading
    else if (language !== 'text') blocks.push({ section, language, text } as Block)
    else if (blocks.at(-1)?.section === section) blocks.at(-1)!.output = text
  }
  return blocks
}

/**
 * Whether a command printed what the README shows. Some things differ from run to run and are not compared: numbers except
 * percentages and IP addresses, link layer addresses, ids, the prefix of a unit, the width of columns, and what npm says
 * of itself. A line `…` stands for any number of lines.
 */
export function isAsShown(shown: string, printed: string): boolean {
  const pattern = normalized(shown)
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/^…$/gm, '[\\s\\S]*')
    .replace(/ ?…$/gm, '[^\\n]*')
  return new RegExp(`^${pattern}$`).test(normalized(printed))
}

function normalized(text: string): string {
  return text
    .replace(/^npm (warn|notice) .*\n/gm, '')
    .replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/(\d+\.){3}\d+(\/\d+)?|(?<![\w.])\d+(\.\d+)?(?!\d|%|\.\d)/g, (number, dots) => (dots ? number : 'N'))
    .replace(/(?<=\bN )[KMGT](?=Bytes|bits)/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/gm, '')
    .trim()
}

export interface Finished {
  code: number | null
  output: string
}

/** A process that runs inside a machine: stdout and stderr so far, as a terminal shows them. */
export type Started = ChildProcess & { output: string }

export class Machine {
  readonly #holder: number
  readonly #env: NodeJS.ProcessEnv

  private constructor(holder: number, env: NodeJS.ProcessEnv) {
    this.#holder = holder
    this.#env = env
  }

  /** Makes a machine that ends with the topology. `commands` (name → script) come first on its PATH. */
  static async make(topology: Topology, commands: Record<string, string> = {}): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), 'vethd-readme-'))
    topology.defer(() => rmSync(folder, { recursive: true, force: true }))
    const hasSudo = spawnSync('sh', ['-c', 'command -v sudo']).status === 0
    const scripts = { ...(hasSudo ? {} : { sudo: 'exec "$@"' }), ...commands }
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(folder, name), 0o755)
    }
    const namespace = await topology.namespace('m')
    await connectOutside(namespace.name, (await topology.namespace('o')).name)
    const holder = topology.start([
      'nsenter',
      `--net=/run/netns/${namespace.name}`,
      'unshare',
      '--mount',
      'sh',
      '-ec',
      PREPARE,
    ])
    await holder.line(/^made$/m)
    return new Machine(holder.pid, { PATH: `${folder}:${process.env.PATH}`, HOME: process.env.HOME, LANG: 'C.UTF-8' })
  }

  /** Starts `script` in the clone's folder, at the head of a process group of its own as a shell's foreground job is. */
  start(script: string): Started {
    // With --root: entering a mount namespace leaves a chroot that the test itself may be in.
    const enter = ['--target', String(this.#holder), '--net', '--mount', '--root', `--wd=${ROOT}`]
    const bash = ['bash', '-euo', 'pipefail', '-c', script]
    const child = spawn('nsenter', [...enter, ...bash], {
      env: this.#env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = Object.assign(child, { output: '' })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => {
        started.output += text
      })
    }
    return started
  }

  async run(script: string): Promise<Finished> {
    const child = this.start(script)
    const [code] = await once(child, 'close')
    return { code, output: child.output }
  }

  /** Runs a block to its end. */
  async runBlock({ language, text }: Block): Promise<Finished> {
    if (language === 'sh') return this.run(text)
    // A file inside the package, so that `import … from 'vethd'` finds it.
    const file = join(ROOT, `dist/readme-${process.pid}.mjs`)
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
    writeFileSync(file, ts.transpileModule(text, { compilerOptions }).outputText)
    try {
      return await this.run(`sudo node ${file}`)
    } finally {
      rmSync(file)
    }
  }
}

interface Link {
  ifname: string
  addr_info: { family: 'inet' | 'inet6'; local: string; prefixlen: number; scope: string }[]
}

interface Route {
  dst: string
  gateway?: string
  dev?: string
  protocol?: string
}

/** Used where the real machine has no way out. */
const UPLINK: [Link, Route] = [
  { ifname: 'uplink0', addr_info: [{ family: 'inet', local: '192.168.77.2', prefixlen: 24, scope: 'global' }] },
  { dst: 'default', gateway: '192.168.77.1', dev: 'uplink0' },
]

/** Gives namespace `inside` the real machine's links with addresses, and its routes; the gateways are in `outside`. */
async function connectOutside(inside: string, outside: string): Promise<void> {
  const read = async (words: string) => JSON.parse(await must(['ip', '-j', ...words.split(' ')]))
  const links: Link[] = (await read('address show'))
    .map(({ ifname, addr_info }: Link) => {
      return { ifname, addr_info: addr_info.filter(({ scope }) => scope === 'global') }
    })
    .filter(({ ifname, addr_info }: Link) => ifname !== 'lo' && addr_info.length > 0)
  const routes: Route[] = [...(await read('-4 route show')), ...(await read('-6 route show'))].filter(
    ({ dev, protocol }) => protocol !== 'kernel' && links.some(({ ifname }) => ifname === dev),
  )
  if (!routes.some(({ dst, gateway }) => dst === 'default' && gateway?.includes('.'))) {
    links.push(UPLINK[0])
    routes.push(UPLINK[1])
  }
  const commands = links.flatMap(({ ifname, addr_info }) => [
    `link add ${ifname} netns ${inside} type veth peer name ${ifname} netns ${outside}`,
    `-n ${inside} link set ${ifname} up`,
    `-n ${outside} link set ${ifname} up`,
    ...addr_info.map(({ local, prefixlen }) => `-n ${inside} address add ${local}/${prefixlen} dev ${ifname}`),
    ...addr_info.map(({ local }) => `-n ${outside} route add ${local} dev ${ifname}`),
  ])
  for (const { dst, gateway, dev } of routes) {
    if (gateway === undefined) commands.push(`-n ${inside} route replace ${dst} dev ${dev}`)
    else {
      const family = gateway.includes(':') ? '-6' : '-4'
      commands.push(`-n ${outside} address replace ${gateway} dev ${dev}`)
      commands.push(`-n ${inside} ${family} route replace ${dst} via ${gateway} dev ${dev} onlink`)
    }
  }
  commands.push(`-n ${outside} address add ${OUTSIDE} dev lo`)
  for (const command of commands) await must(['ip', ...command.split(' ')])
}

/** Waits until the process has printed `pattern`; false when it ended or the time passed before. */
export function hasPrinted(child: Started, pattern: RegExp, withinMs: number): Promise<boolean> {
  return new Promise((done) => {
    const timer = setTimeout(() => done(false), withinMs)
    const settle = (printed: boolean) => {
      clearTimeout(timer)
      done(printed)
    }
    child.stdout?.on('data', () => pattern.test(child.output) && settle(true))
    child.once('close', () => settle(false))
  })
}
