/**
 * `npm run bench`: compares vethd with kernel veth, a C loop and other programs. docs/benchmarks.md explains the method.
 *
 * Neighbours: run.ts measures, scale.ts measures many pairs, report.ts prints, docs.ts writes the page.
 */
import { existsSync } from 'node:fs'
import yargs from 'yargs'
import { missing, Topology } from '../test/device/harness/topology.js'
import { writeDocs } from './docs.js'
import { disturbance } from './gate.js'
import { cpuModel } from './machine.js'
import { reportLines } from './report.js'
import { type ModelJson, readBenchmarks, storeResults } from './results.js'
import { type Plan, run } from './run.js'
import { measureScale, scaleLines } from './scale.js'
import { SUBJECTS } from './subjects/index.js'
import { WORKLOADS } from './workloads/index.js'

const QUICK = { subjects: ['veth', 'vethd-uring', 'c-loop'], workloads: ['tcp-1', 'udp-64', 'tcp-rtt'], blocks: 9 }
const SMOKE = { subjects: ['veth', 'vethd-uring', 'vethd-poll'], seconds: 0.1 }

const named = (list: { name: string }[]) => list.map(({ name }) => name)
const options = await yargs(process.argv.slice(2))
  .scriptName('bench')
  .locale('en')
  .usage('bench [options]\n\nMeasures vethd, kernel veth and others. Prints one number per line.')
  .option('subjects', { array: true, choices: named(SUBJECTS), describe: 'measure only these subjects' })
  .option('workloads', { array: true, choices: named(WORKLOADS), describe: 'measure only these workloads' })
  .option('blocks', { type: 'number', default: 7, describe: 'number of times that each figure is measured' })
  .option('seconds', { type: 'number', default: 1, describe: 'length of each measurement' })
  .option('unpinned', { type: 'boolean', describe: 'let the endpoints run on any CPU' })
  .option('quick', { type: 'boolean', describe: 'three subjects, three workloads; takes three minutes' })
  .option('smoke', { type: 'boolean', describe: 'test that the benchmarks work; the figures mean nothing' })
  .option('anyway', { type: 'boolean', describe: 'measure on a busy machine; the figures are unreliable' })
  .option('scale', { type: 'boolean', describe: 'measure the cost of 1 to 1000 pairs in one daemon instead of speed' })
  .option('json', {
    type: 'string',
    requiresArg: true,
    describe: 'store the results in this file, in place of those of the same CPU model',
  })
  .option('docs', {
    type: 'boolean',
    describe: 'only make docs/benchmarks.md and its charts from docs/benchmarks.json',
  })
  .conflicts('quick', 'smoke')
  .strict()
  .demandCommand(0, 0)
  .parse()

const gate = !options.smoke && !options.anyway

function plan(): Plan {
  const preset = options.quick ? QUICK : options.smoke ? { ...SMOKE, workloads: undefined } : undefined
  const [subjects, workloads] = [options.subjects ?? preset?.subjects, options.workloads ?? preset?.workloads]
  return {
    subjects: SUBJECTS.filter(({ name }) => subjects?.includes(name) ?? true),
    workloads: WORKLOADS.filter(({ name }) => workloads?.includes(name) ?? true),
    blocks: options.smoke ? 1 : options.quick ? QUICK.blocks : options.blocks,
    seconds: options.smoke ? SMOKE.seconds : options.seconds,
    pinned: !options.unpinned,
    gate,
    together: options.smoke ?? false,
  }
}

/** Prints why the run cannot start, and exits. */
function refuse(why: string): never {
  console.error(`bench: ${why}`)
  process.exit(1)
}

/** A file that cannot be added to is found before the measurements, not after them. */
function checkFile(path: string): void {
  try {
    if (existsSync(path)) readBenchmarks(path)
  } catch (error) {
    refuse(`--json: ${(error as Error).message}`)
  }
}

function store(measured: ModelJson): void {
  if (options.json) storeResults(options.json, cpuModel(), measured)
}

async function main(): Promise<void> {
  if (options.docs) return writeDocs()
  if (options.json) checkFile(options.json)
  const { subjects, ...rest } = plan()
  const lacks = missing('iperf3', 'ethtool', 'gcc', 'tc', ...subjects.flatMap(({ needs }) => needs))
  if (lacks) refuse(lacks)
  const disturbed = gate ? await disturbance() : undefined
  if (disturbed) refuse(`${disturbed}; stop these processes, or measure with --anyway`)

  const topology = new Topology()
  try {
    if (options.scale) {
      const scale = await measureScale(topology, console.error)
      console.log(scaleLines(scale).join('\n'))
      return store({ scale })
    }
    const total = rest.blocks * rest.workloads.length
    let done = 0
    const results = await run(topology, { subjects, ...rest }, ({ block, workload, thrownAway }) => {
      const fate = thrownAway ? ` thrown away: ${thrownAway}` : ''
      console.error(`# ${++done}/${total} block ${block} ${workload}${fate}`)
    })
    console.log(reportLines(results).join('\n'))
    store(options.unpinned ? { unpinned: results } : { pinned: results })
  } finally {
    topology.undo()
  }
}

await main()
