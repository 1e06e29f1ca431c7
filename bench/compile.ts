/**
 * Compiles the C programs of the benchmarks.
 *
 * Neighbours: subjects/c-loop.ts and link.ts run them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/device/harness/daemon.js'
import { must } from '../test/device/harness/processes.js'
import type { Topology } from '../test/device/harness/topology.js'

/** Compiles bench/NAME.c, which takes about 100 ms. The program is deleted with the topology. */
export async function compile(topology: Topology, name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-bench-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, name)
  await must(['gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, join(ROOT, `bench/${name}.c`)])
  return program
}
