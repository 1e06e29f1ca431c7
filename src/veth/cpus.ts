/**
 * CPU affinity of the workers: lists of CPUs in the kernel's format (cpuset(7), "List format"), and their distribution
 * over the workers.
 *
 * Neighbours: daemon/config.ts parses `--cpus`, pool.ts calls dealCpus(), worker/worker.ts sets the affinity of its
 * thread.
 */
import { native } from '../../native-bindings/index.js'
import { VethdError } from '../errors.js'

/** The most CPUs that a kernel can be built for (NR_CPUS). A higher number is a mistake. */
const CPUS_MAX = 8192

/** `0-2,5` → 0, 1, 2, 5, each once, ascending. Throws ARGUMENT_INVALID. */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>()
  for (const range of text.split(',')) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(range) ?? []
    if (first === undefined || Number(first) > Number(last) || Number(last) >= CPUS_MAX)
      throw new VethdError('ARGUMENT_INVALID', `"${text}" is not a list of CPUs: a list looks like 0-2,5`)
    for (let cpu = Number(first); cpu <= Number(last); cpu++) cpus.add(cpu)
  }
  return [...cpus].sort((a, b) => a - b)
}

/** 0, 1, 2, 5 → `0-2,5`. `cpus` ascend. */
export function formatCpuList(cpus: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const cpu of cpus) {
    const range = ranges.at(-1)
    if (range?.[1] === cpu - 1) range[1] = cpu
    else ranges.push([cpu, cpu])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/** Throws ARGUMENT_INVALID unless this process may run on each of `cpus`. */
export function requireCpus(cpus: readonly number[]): void {
  const allowed = native().getThreadAffinity()
  const others = cpus.filter((cpu) => !allowed.includes(cpu))
  if (others.length > 0)
    throw new VethdError(
      'ARGUMENT_INVALID',
      `--cpus: this process may not run on CPU ${formatCpuList(others)}, but on ${formatCpuList(allowed)}`,
    )
}

/**
 * Distributes CPUs over workers in turn: 0-3 for two workers is 0,2 and 1,3. With more workers than CPUs, some share
 * one. Without CPUs, each worker may use all CPUs of the process.
 */
export function dealCpus(cpus: readonly number[], workers: number): number[][] {
  return Array.from({ length: workers }, (_, worker) => cpus.filter((_, i) => i % workers === worker % cpus.length))
}
