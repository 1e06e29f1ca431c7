/**
 * Builds and starts bench/c-loop.c.
 *
 * Neighbours: the benchmarks; test/device/harness/topology.ts ends what is started here.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/device/harness/daemon.js'
import { must } from '../test/device/harness/processes.js'
import type { Namespace, Topology } from '../test/device/harness/topology.js'

/** Compiles c-loop.c (some 100 ms) and joins two new TAPs in `ns`. They may be moved once this has returned. */
export async function startCLoop(topology: Topology, ns: Namespace, dev: string, peer: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-bench-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'c-loop')
  await must(['gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, join(ROOT, 'bench/c-loop.c')])
  await ns.start([program, dev, peer]).line(/^ready/m)
}
