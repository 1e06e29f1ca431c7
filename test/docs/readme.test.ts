/**
 * The README's shell and TypeScript blocks, taken out of it and run in order as they stand.
 *
 * They run in a network and a mount namespace of their own, with an empty /run and a /sys that shows this network
 * namespace, so that they see a machine of their own and leave nothing on this one. The block with `npm start` runs
 * in the background from when it says what to type next until the end, when it gets SIGINT as a terminal sends it; the
 * block with the test command is left out (it is what runs this test).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../../..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```(sh|ts)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ language, text }))

type Block = (typeof blocks)[number]
const isStart = ({ text }: Block) => text.includes('npm start')
const isTest = ({ text }: Block) => text.includes('npm test')

/** What `npm start` prints last before it waits, and how long a machine that is set up may take to get there. */
const READY = /Ctrl-C ends vethd/
const READY_WITHIN_MS = 20_000

/** A fresh machine as far as links, mounts and /run go; it lives as long as `holder` does. */
interface Machine {
  holder: ChildProcess
  folder: string
  env: NodeJS.ProcessEnv
}

async function makeMachine(): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-readme-'))
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, LANG: 'C.UTF-8' }
  if (spawnSync('sh', ['-c', 'command -v sudo']).status !== 0) {
    writeFileSync(join(folder, 'sudo'), '#!/bin/sh\nexec "$@"\n')
    chmodSync(join(folder, 'sudo'), 0o755)
    env.PATH = `${folder}:${env.PATH}`
  }
  const prepare = 'mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up && echo made && exec cat'
  const holder = spawn('unshare', ['--net', '--mount', 'sh', '-c', prepare], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [said] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
  if (String(said) !== 'made\n') throw new Error(`no namespaces could be made: ${said}`)
  return { holder, folder, env }
}

/** Starts `script` inside the machine, at the head of a process group of its own as a shell's foreground job is. */
function startInside({ holder, env }: Machine, script: string): ChildProcess & { output: string } {
  // With --root, since entering a mount namespace leaves a chroot that the test itself may be in.
  const args = [
    '--target',
    String(holder.pid),
    '--net',
    '--mount',
    '--root',
    `--wd=${ROOT}`,
    'bash',
    '-euo',
    'pipefail',
    '-c',
    script,
  ]
  const child = spawn('nsenter', args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const started = Object.assign(child, { output: '' })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      started.output += text
    })
  }
  return started
}

async function runInside(machine: Machine, script: string): Promise<{ code: number | null; output: string }> {
  const child = startInside(machine, script)
  const [code] = await once(child, 'close')
  return { code, output: child.output }
}

/** A TypeScript block is a program of a file inside the package, so that `import … from 'vethd'` finds it. */
async function runProgram(machine: Machine, text: string): Promise<{ code: number | null; output: string }> {
  const file = join(ROOT, `dist/readme-${process.pid}.mjs`)
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
  writeFileSync(file, ts.transpileModule(text, { compilerOptions }).outputText)
  try {
    return await runInside(machine, `sudo node ${file}`)
  } finally {
    rmSync(file)
  }
}

/** Waits until the child has printed `pattern`; false when it ended or the time passed before. */
function hasPrinted(child: ChildProcess & { output: string }, pattern: RegExp, withinMs: number): Promise<boolean> {
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

/** The commands of a block, or of what `npm start` prints. */
function commandsOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('sudo '))
}

const skip = process.getuid?.() !== 0 && 'needs root to make namespaces and devices'

t.test("the README's commands work as they stand", { skip }, async (t) => {
  t.setTimeout(100_000)
  const machine = await makeMachine()
  let daemon: (ChildProcess & { output: string }) | undefined
  t.teardown(() => {
    if (daemon?.pid !== undefined && daemon.exitCode === null) process.kill(-daemon.pid, 'SIGKILL')
    machine.holder.kill('SIGKILL')
    rmSync(machine.folder, { recursive: true })
  })

  t.equal(blocks.filter(isStart).length, 1, 'one block starts vethd')
  t.equal(blocks.filter(isTest).length, 1, 'one block runs the tests')
  for (const block of blocks.filter((block) => !isTest(block))) {
    if (isStart(block)) {
      daemon = startInside(machine, block.text)
      const ready = await hasPrinted(daemon, READY, READY_WITHIN_MS)
      if (!t.ok(ready, 'npm start says what to type next', { printed: daemon.output })) return
      const typed = blocks.flatMap(({ text }) => commandsOf(text))
      for (const command of commandsOf(daemon.output))
        t.ok(typed.includes(command), `the README has it too: ${command}`)
    } else {
      const run = block.language === 'ts' ? runProgram : runInside
      const { code, output } = await run(machine, block.text)
      t.equal(code, 0, block.text.trim(), { printed: output })
    }
  }

  if (daemon?.pid === undefined) return
  t.equal(daemon.exitCode, null, 'vethd still runs', { printed: daemon.output })
  const closed = once(daemon, 'close')
  process.kill(-daemon.pid, 'SIGINT')
  const [code] = await closed
  t.equal(code, 0, 'npm start ends well on Ctrl-C', { printed: daemon.output })
  const left = await runInside(machine, 'ls /sys/class/net; ip netns list; ls -A /run/vethd 2>/dev/null || true')
  t.equal(left.output, 'lo\n', 'no device, no namespace and no socket is left')
})
