/**
 * What a run leaves behind, as JSON: docs/benchmarks.json is one.
 *
 * Neighbours: run.ts and scale.ts fill it, report.ts prints it, docs.ts makes the page and the charts of it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Loss } from './accounting.js'
import type { MachineJson } from './machine.js'
import type { ScaleJson } from './scale.js'

/** One subject under one workload, once. Either `value` or `refused` is there. */
export interface Figure {
  value?: number
  /** Why there is no value: frames lost without explanation, damage, or a tool that failed. */
  refused?: string
  /** CPU time of the whole machine, in the workload's cpuUnit. */
  cpu?: number
  retransmits?: number
  loss?: Loss
  /** Percentiles and the like. */
  more?: Record<string, number>
}

/** All subjects under one workload, one after the other. A ratio is taken within one of these. */
export interface BlockJson {
  block: number
  workload: string
  figures: Record<string, Figure>
  /** Why it does not count: the rules of gate.ts. */
  thrownAway?: string
}

export interface WorkloadJson {
  name: string
  title: string
  unit: string
  better: 'higher' | 'lower'
  cpuUnit?: string
}

export interface Results {
  date: string
  machine: MachineJson
  settings: { seconds: number; blocks: number; pinned: boolean; gate: boolean }
  subjects: { name: string; title: string }[]
  workloads: WorkloadJson[]
  blocks: BlockJson[]
  /** PSS of a subject's processes after its last measurement, in KiB. */
  memory: Record<string, number>
  scale?: ScaleJson
  /** The same with endpoints that may run on any CPU. */
  unpinned?: Results
}

export function readResults(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8'))
}

export function writeResults(path: string, results: Results): void {
  writeFileSync(path, `${textOf(results)}\n`)
}

/** A line a block, so that two runs can be compared by eye. */
function textOf({ blocks, unpinned, ...rest }: Results): string {
  const lines = blocks.map((block) => `    ${JSON.stringify(block, rounded)}`)
  const parts = { ...rest, ...(unpinned && { unpinned: null }), blocks: [] }
  return JSON.stringify(parts, rounded, 2)
    .replace('"blocks": []', () => `"blocks": [\n${lines.join(',\n')}\n  ]`)
    .replace('"unpinned": null', () => `"unpinned": ${unpinned && textOf(unpinned)}`)
}

/** Six significant digits: more than any of these figures has. */
export function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
