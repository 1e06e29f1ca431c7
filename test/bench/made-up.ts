/** Made-up results for the tests of the benchmarks. */
import type { RunJson } from '../../bench/machine.js'
import type { BlockJson, Results } from '../../bench/results.js'
import type { ScaleJson } from '../../bench/scale.js'

export const CPU = 'Made-up CPU'

function runOn(cpu: string): RunJson {
  const caches = { L1d: 32, L2: 512, L3: 32768 }
  return { date: '2026-01-01', commit: 'abc1234', machine: { cpu, cpus: 2, caches, kernel: '6.18', node: 'v20' } }
}

/** One row for each block: what `vethd-uring` and `c-loop` reached under `tcp-1`. */
export function results(rows: [uring: number, loop: number, more?: Partial<BlockJson>][], cpu = CPU): Results {
  return {
    ...runOn(cpu),
    settings: { seconds: 1, blocks: rows.length, pinned: true, gate: true },
    subjects: ['vethd-uring', 'vethd-poll', 'c-loop'].map((name) => ({ name, title: name })),
    workloads: [{ name: 'tcp-1', title: 'TCP, 1 stream', unit: 'Gbit/s', better: 'higher', cpuUnit: 's/GB' }],
    blocks: rows.map(([uring, loop, more], i) => ({
      block: i + 1,
      workload: 'tcp-1',
      figures: { 'vethd-uring': { value: uring }, 'c-loop': { value: loop } },
      ...more,
    })),
    memory: {},
  }
}

/** The costs of 1,000 pairs that were created in `createSeconds`. */
export function scaleResults(createSeconds: number, cpu = CPU): ScaleJson {
  const veth = { createSeconds: 1, removeSeconds: 1, kernelKiB: 1024 }
  const step = { createSeconds, removeSeconds: 1, pssKiB: 1024, kernelKiB: 1024, idlePercent: 0.1, busy: [1], veth }
  const fairness = { pairs: 100, seconds: 10, slowest: 100, fastest: 100 }
  return { ...runOn(cpu), steps: [1, 1000].map((pairs) => ({ pairs, ...step })), fairness }
}
