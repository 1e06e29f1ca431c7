/**
 * The machine: CPU time from /proc/stat, memory from /proc/PID/smaps_rollup, CPU model and caches, versions.
 *
 * Neighbours: gate.ts and run.ts compare two readings of CPU time; results.ts stores what describeRun() returns.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/device/harness/daemon.js'

/** Clock ticks a second, USER_HZ: 100 on every architecture that Node runs on. */
export const USER_HZ = 100

/** CPU seconds since boot, of all CPUs together. */
export interface CpuTimes {
  busy: number
  idle: number
  /** Time that the hypervisor gave to other machines. */
  stolen: number
}

/** The first line: "cpu user nice system idle iowait irq softirq steal …". */
export function cpuTimes(): CpuTimes {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].trim().split(/\s+/).slice(1).map(Number)
  const [user, nice, system, idle, iowait, irq, softirq, steal] = ticks.map((count) => count / USER_HZ)
  return { busy: user + nice + system + irq + softirq, idle: idle + iowait, stolen: steal }
}

export function cpuTimesSince(before: CpuTimes): CpuTimes {
  const now = cpuTimes()
  return { busy: now.busy - before.busy, idle: now.idle - before.idle, stolen: now.stolen - before.stolen }
}

export interface ProcessTimes {
  name: string
  seconds: number
}

/** CPU seconds of every process but this one, by pid. */
export function processTimes(): Map<string, ProcessTimes> {
  const processes = new Map<string, ProcessTimes>()
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))) {
    try {
      // "PID (NAME) STATE …": NAME may contain any character; utime and stime are the 12th and 13th words after it.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      processes.set(pid, { name, seconds: (Number(words[11]) + Number(words[12])) / USER_HZ })
    } catch {} // the process has ended
  }
  return processes
}

/** The proportional set size of these processes together, in KiB. */
export function pssKiB(pids: number[]): number {
  const one = (pid: number) => Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1])
  return pids.reduce((sum, pid) => sum + one(pid), 0)
}

export interface MachineJson {
  /** CPU model, as lscpu names it: the key under which results are kept. */
  cpu: string
  cpus: number
  /** KiB of each cache of CPU 0, by level: L1d, L2, L3. Empty where the hypervisor hides them. */
  caches: Record<string, number>
  kernel: string
  node: string
}

/** When, where and on which code a measurement was made. */
export interface RunJson {
  date: string
  /** Short hash; `+` after it means that the measured code had uncommitted changes. */
  commit: string
  machine: MachineJson
}

export function describeRun(): RunJson {
  return { date: new Date().toISOString().slice(0, 10), commit: commit(), machine: describeMachine() }
}

export function describeMachine(): MachineJson {
  return { cpu: cpuModel(), cpus: cpus().length, caches: caches(), kernel: release(), node: process.version }
}

/** By lscpu, because /proc/cpuinfo has no model name on arm64. */
export function cpuModel(): string {
  const lscpu = execFileSync('lscpu', { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  return /^\s*Model name:\s+(.+)$/m.exec(lscpu)?.[1].trim() ?? 'unknown'
}

function caches(folder = '/sys/devices/system/cpu/cpu0/cache'): Record<string, number> {
  if (!existsSync(folder)) return {}
  const read = (index: string, name: string) => readFileSync(join(folder, index, name), 'utf8').trim()
  return Object.fromEntries(
    readdirSync(folder)
      .filter((entry) => entry.startsWith('index') && read(entry, 'type') !== 'Instruction')
      .sort()
      .map((index) => [
        `L${read(index, 'level')}${read(index, 'type') === 'Data' ? 'd' : ''}`,
        Number.parseInt(read(index, 'size'), 10),
      ]),
  )
}

/** Only the code that is measured counts: results that were written before must not mark the next run. */
function commit(): string {
  const measured = ['bench', 'daemon', 'native-bindings', 'src']
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', ROOT, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const changed = git('status', '--porcelain', '--', ...measured) !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`
  } catch {
    return 'unknown' // no git, or no repository
  }
}
