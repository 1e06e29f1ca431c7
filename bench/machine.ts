/**
 * What the whole machine did: CPU time from /proc/stat, memory from /proc/PID/smaps_rollup, what it is.
 *
 * Neighbours: gate.ts and run.ts compare two readings.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** Clock ticks a second, USER_HZ: 100 on every architecture that Node runs on. */
export const USER_HZ = 100

/** CPU seconds since boot, of all CPUs together. */
export interface CpuTimes {
  busy: number
  idle: number
  /** What the hypervisor gave to others. */
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
      // "PID (NAME) STATE …": NAME may hold anything; utime and stime are the 12th and 13th words behind it.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      processes.set(pid, { name, seconds: (Number(words[11]) + Number(words[12])) / USER_HZ })
    } catch {} // it ended meanwhile
  }
  return processes
}

/** The proportional set size of these processes together, in KiB. */
export function pssKiB(pids: number[]): number {
  const one = (pid: number) => Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1])
  return pids.reduce((sum, pid) => sum + one(pid), 0)
}

export interface MachineJson {
  kernel: string
  node: string
  cpu: string
  cpus: number
}

export function describeMachine(): MachineJson {
  return { kernel: release(), node: process.version, cpu: cpus()[0].model, cpus: cpus().length }
}
