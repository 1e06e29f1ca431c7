/**
 * `npm run bench`: vethd beside kernel veth, a C loop and its peers. docs/benchmarks.md explains the method.
 *
 * Neighbours: run.ts measures, scale.ts measures many pairs, report.ts prints, docs.ts writes the page.
 */
import { existsSync } from 'node:fs'
import yargs from 'yargs'
import { missing, Topology } from '../test/device/harness/topology.js'
import { writeDocs } from './docs.js'
import { disturbance } from './gate.js'
import { reportLines } from './report.js'
import { readResults, writeResults } from './results.js'
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
  .usage('bench [options]: one number a line')
  .option('subjects', { array: true, choices: named(SUBJECTS), describe: 'only these' })
  .option('workloads', { array: true, choices: named(WORKLOADS), describe: 'only these' })
  .option('blocks', { type: 'number', default: 7, describe: 'how often each is measured' })
  .option('seconds', { type: 'number', default: 1, describe: 'of each measurement' })
  .option('unpinned', { type: 'boolean', describe: 'the endpoints may run on any CPU' })
  .option('quick', { type: 'boolean', describe: 'three subjects, three workloads, in three minutes' })
  .option('smoke', { type: 'boolean', describe: 'whether everything works, on a busy machine, without judging speed' })
  .option('anyway', { type: 'boolean', describe: 'measure on a busy machine: figures that say so, and little else' })
  .option('scale', { type: 'boolean', describe: '1 to 1000 pairs in one daemon, instead of speed' })
  .option('json', {
    type: 'string',
    requiresArg: true,
    describe: 'FILE: write the results; --scale and --unpinned add to them',
  })
  .option('docs', { type: 'boolean', describe: 'make docs/benchmarks.md and its charts of docs/benchmarks.json' })
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

/** Ends with a reason. */
function refuse(why: string): never {
  console.error(`bench: ${why}`)
  process.exit(1)
}

async function main(): Promise<void> {
  if (options.docs) return writeDocs()
  const { subjects, ...rest } = plan()
  const lacks = missing('iperf3', 'ethtool', 'gcc', 'tc', ...subjects.flatMap(({ needs }) => needs))
  if (lacks) refuse(lacks)
  const disturbed = gate ? await disturbance() : undefined
  if (disturbed) refuse(`${disturbed}; no figure measured now would mean anything`)

  const topology = new Topology()
  try {
    if (options.scale) {
      const scale = await measureScale(topology, console.error)
      console.log(scaleLines(scale).join('\n'))
      if (options.json) writeResults(options.json, { ...readResults(options.json), scale })
      return
    }
    const total = rest.blocks * rest.workloads.length
    let done = 0
    const results = await run(topology, { subjects, ...rest }, ({ block, workload, thrownAway }) => {
      const fate = thrownAway ? ` thrown away: ${thrownAway}` : ''
      console.error(`# ${++done}/${total} block ${block} ${workload}${fate}`)
    })
    console.log(reportLines(results).join('\n'))
    if (!options.json) return
    // What is beside the figures of pinned endpoints is added to them.
    const adds = options.unpinned && existsSync(options.json)
    writeResults(options.json, adds ? { ...readResults(options.json), unpinned: results } : results)
  } finally {
    topology.undo()
  }
}

await main()
