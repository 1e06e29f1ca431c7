/**
 * Every workload of the benchmarks gives a figure for kernel veth and for vethd. Speed is not tested.
 *
 * All frames are accounted for, so this is a test of vethd too.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { cpuModel } from '../../bench/machine.js'
import { readBenchmarks } from '../../bench/results.js'
import { WORKLOADS } from '../../bench/workloads/index.js'
import { ROOT } from '../device/harness/daemon.js'
import { run } from '../device/harness/processes.js'
import { missing } from '../device/harness/topology.js'

const skip = missing('iperf3', 'ethtool', 'gcc', 'tc')

t.test('each workload has a figure for veth and for vethd, and every frame an explanation', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-bench-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'results.json')
  const { code, stdout, stderr } = await run([
    process.execPath,
    join(ROOT, 'dist/bench/main.js'),
    '--smoke',
    '--json',
    file,
  ])
  t.equal(code, 0, stderr)

  const results = readBenchmarks(file)[cpuModel()].pinned!
  t.same(
    results.blocks.map(({ workload }) => workload),
    WORKLOADS.map(({ name }) => name),
  )
  for (const { workload, figures } of results.blocks) {
    for (const { name } of results.subjects) {
      t.match(figures[name], { value: Number }, `${workload} of ${name}`)
      t.match(stdout, new RegExp(`^${workload}/${name} +[\\d.]+ `, 'm'), 'one number a line')
    }
  }
})
