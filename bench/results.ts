/**
 * The results file: docs/benchmarks.json is one. It keeps the results of each CPU model; a run replaces only its own.
 *
 * Neighbours: run.ts and scale.ts produce results, report.ts prints them, docs.ts makes the page and the charts.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Loss } from './accounting.js'
import type { RunJson } from './machine.js'
import type { ScaleJson } from './scale.js'

/** One measurement of one subject under one workload. It has either `value` or `refused`. */
export interface Figure {
  value?: number
  /** Why there is no value: unexplained loss, a damaged payload, or a tool that failed. */
  refused?: string
  /** CPU time of the whole machine, in the workload's cpuUnit. */
  cpu?: number
  retransmits?: number
  loss?: Loss
  /** Other numbers, such as percentiles. */
  more?: Record<string, number>
}

/** All subjects under one workload, one after the other. Ratios are taken within a block. */
export interface BlockJson {
  block: number
  workload: string
  figures: Record<string, Figure>
  /** Why the block does not count, by the rules of gate.ts. */
  thrownAway?: string
}

export interface WorkloadJson {
  name: string
  title: string
  unit: string
  better: 'higher' | 'lower'
  cpuUnit?: string
}

export interface Results extends RunJson {
  settings: { seconds: number; blocks: number; pinned: boolean; gate: boolean }
  subjects: { name: string; title: string }[]
  workloads: WorkloadJson[]
  blocks: BlockJson[]
  /** PSS of a subject's processes after its last measurement, in KiB. */
  memory: Record<string, number>
}

/** The results of one CPU model. Each of them has the date and the commit of its own run. */
export interface ModelJson {
  /** Speed, with the endpoints pinned to a CPU each. */
  pinned?: Results
  /** Speed, with endpoints that may run on any CPU. */
  unpinned?: Results
  /** The cost of many pairs. */
  scale?: ScaleJson
}

/** By CPU model, as lscpu names it. */
export type Benchmarks = Record<string, ModelJson>

const KINDS = ['pinned', 'unpinned', 'scale']

export function readBenchmarks(path: string): Benchmarks {
  const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const isModel = (model: unknown) => Object.keys(model ?? { none: true }).every((kind) => KINDS.includes(kind))
  if (typeof read !== 'object' || read === null || !Object.values(read).every(isModel)) {
    throw new Error(`${path} is not a results file: it must be an object with one entry for each CPU model`)
  }
  return read as Benchmarks
}

/** Replaces what `measured` has of this CPU model. Other models, and the model's other kinds of results, stay. */
export function storeResults(path: string, cpu: string, measured: ModelJson): void {
  const stored = existsSync(path) ? readBenchmarks(path) : {}
  writeFileSync(path, `${textOf({ ...stored, [cpu]: { ...stored[cpu], ...measured } })}\n`)
}

/** JSON with one line for each block, so that diff shows what a run changed. */
function textOf(benchmarks: Benchmarks): string {
  const lines: string[] = []
  const asLine = (block: BlockJson) => `@${lines.push(JSON.stringify(block, rounded)) - 1}@`
  const replacer = (key: string, value: unknown) =>
    key === 'blocks' && Array.isArray(value) ? value.map(asLine) : rounded(key, value)
  return JSON.stringify(benchmarks, replacer, 2).replace(/"@(\d+)@"/g, (_, at) => lines[at])
}

/** Six significant digits, more than any measurement here has. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
