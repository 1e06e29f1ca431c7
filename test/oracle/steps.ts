/** Carries out the steps of a row (row.ts has their grammar) in one world, and tells what they answered. */
import { join } from 'node:path'
import { kernelLink } from '../device/harness/counters.js'
import { ROOT } from '../device/harness/daemon.js'
import { sendFrames, sniff } from '../device/harness/frames.js'
import { type Output, type Process, until } from '../device/harness/processes.js'
import { serveTransfers, transfer } from '../device/harness/traffic.js'
import { framesOf } from './frames.js'
import type { World } from './world.js'

const SOCKETS = join(ROOT, 'test/oracle/sockets.py')
const XDP = join(ROOT, 'test/device/harness/xdp.py')

/** What a step answered that may be compared: exit code and texts, or errnos. */
export type Answer = string

/** Carries out one step; what is to be compared of it, if anything. Throws when it had to succeed and did not. */
export async function play(world: World, step: string): Promise<Answer | undefined> {
  const mayFail = step.startsWith('? ')
  const line = mayFail ? step.slice(2) : step
  const output = await act(world, line)
  if (typeof output === 'string') return output
  if (output === undefined) return undefined
  if (mayFail) return `${output.code} ${said(world, output)}`
  if (output.code === 0) return undefined
  throw new Error(`${world.name}: "${step}" ended with ${output.code}: ${output.stdout}${output.stderr}`)
}

async function act(world: World, line: string): Promise<Output | Answer | undefined> {
  const shell = /^(host|a|b|c): (.*)$/s.exec(line)
  if (shell !== null) return world.shell(shell[1], shell[2])
  if (/^(-n \S+ )?link /.test(line)) return world.type(line)
  const [verb, label, dev, ...words] = line.split(' ')
  switch (verb) {
    case 'watch':
      world.recorders.set(`frames ${label} ${dev}`, await sniff(world.ns(label), dev))
      return undefined
    case 'listen':
      world.recorders.set(`events ${label}`, (await world.ns(label).watchLinks()).process)
      return undefined
    case 'carrier':
      await until(`${dev} to have a carrier`, async () => {
        return (await kernelLink({ ns: world.ns(label), dev })).flags.includes('LOWER_UP')
      })
      return undefined
    case 'send':
      return tally(await sendFrames(world.ns(label), dev, framesOf(words)))
    case 'unserved':
      world.daemon?.process.signal('SIGSTOP')
      try {
        return await act(world, line.slice('unserved '.length))
      } finally {
        world.daemon?.process.signal('SIGCONT')
      }
    case 'hold':
      if (world.daemon) return world.type(`-n {${label}} link set ${dev} gro-flush-us ${words[0]}`)
      return world.shell(label, holdVeth(`/sys/class/net/${dev}`, Number(words[0])))
    case 'transfer': {
      const server = await serveTransfers(world.ns(dev))
      await transfer(world.ns(label), words[0] as 'tcp' | 'udp', words[1], Number(words[2]))
      server.signal('SIGTERM')
      await server.exit()
      return undefined
    }
    case 'sockets':
      return world.collapse(await world.ns(label).do(['python3', SOCKETS, dev, ...words]))
    case 'background': {
      const script = world.ns(label).start(['python3', SOCKETS, ...words])
      await script.line(/^ready/m)
      world.background = script
      return undefined
    }
    case 'joined':
      return (await world.background!.exit(10_000)).stdout
    case 'xdp': {
      const program = `xdp ${label} ${dev}`
      if (words[0] === 'off') return detached(world.recorders.get(program)!)
      const script = world.ns(label).start(['python3', XDP, dev, ...words])
      world.recorders.set(program, script)
      // refused, it ends
      return script.line(/^ready/m).then(
        () => undefined,
        () => script.exit(),
      )
    }
    case 'forget':
      await world.forget(label)
      return undefined
    case 'wait':
      await until(`${dev} to be gone`, async () => !(await world.ns(label).has(dev)))
      return undefined
    default:
      throw new Error(`"${line}" is no step`)
  }
}

/** What the program saw. */
async function detached(script: Process): Promise<Answer> {
  script.feed('')
  const { code, stdout, stderr } = await script.exit(10_000)
  return `${code} ${stdout}${stderr}`
}

/** A veth's NAPI ends its runs when it is done with what is there, unless it waits for more; then a timer ends them. */
function holdVeth(sysfs: string, us: number): string {
  return `echo ${1000 * us} > ${sysfs}/gro_flush_timeout; echo 1 > ${sysfs}/napi_defer_hard_irqs`
}

/** What a command printed, without what only vethctl adds, and without its name. */
function said(world: World, { stdout, stderr }: Output): string {
  const lines = `${stdout}${stderr}`.split('\n').filter((text) => !text.startsWith('vethctl: '))
  const text = lines.join('\n').trim().replaceAll('"vethctl link help"', '"ip link help"')
  // ip's own usage is as long as ip has options
  return world.collapse(text.replace(/^Usage: .*/s, 'Usage'))
}

/** `sent*3 ENOBUFS` */
function tally(answers: string[]): string {
  const runs: [string, number][] = []
  for (const answer of answers) {
    const last = runs.at(-1)
    if (last?.[0] === answer) last[1]++
    else runs.push([answer, 1])
  }
  return runs.map(([answer, count]) => (count === 1 ? answer : `${answer}*${count}`)).join(' ')
}
