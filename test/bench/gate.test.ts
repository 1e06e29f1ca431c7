/** The benchmarks refuse to run on a busy machine, and name the processes that use its CPUs. */
import { availableParallelism } from 'node:os'
import t from 'tap'
import { disturbance } from '../../bench/gate.js'
import { Topology } from '../device/harness/topology.js'

t.test('processes that spin stop a measurement, and are named', async (t) => {
  const topology = Topology.of(t)
  const ns = await topology.namespace('spinner')
  // As many as there are CPUs: one alone leaves a large machine 90 % idle.
  const spinners = Array.from({ length: availableParallelism() }, () => ns.start(['sh', '-c', 'while :; do :; done']))
  const found = await disturbance(1)
  t.match(found, /^the machine is only \d+ % idle: /)
  t.match(found, /\bsh \(\d+\) \d+ %/)
  for (const spinner of spinners) spinner.signal('SIGKILL')
})
