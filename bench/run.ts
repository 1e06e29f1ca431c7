/**
 * Measures each subject under each workload, in blocks.
 *
 *     block 1   tcp-1: A B C D   tcp-4: A B C D   …
 *     block 2   tcp-1: D C B A   tcp-4: D C B A   …
 *
 * Within a block the subjects follow each other at once, so a disturbance of the machine affects all of them about
 * equally. The order is reversed from block to block, so that no subject always comes first.
 *
 * Neighbours: link.ts connects the subjects, accounting.ts and gate.ts decide whether a figure counts.
 * Invariant: a subject that damages a payload, or loses a frame that no counter explains, gets the reason instead of a
 * figure.
 */
import type { Topology } from '../test/device/harness/topology.js'
import { serveTransfers, transfer } from '../test/device/harness/traffic.js'
import { account, datagrams, retransmits, unexplainedFrames } from './accounting.js'
import { disturbance, stolenTooMuch } from './gate.js'
import { connect, type Link, SERVER_ADDRESS } from './link.js'
import { type CpuTimes, cpuTimes, cpuTimesSince, describeRun, pssKiB } from './machine.js'
import type { BlockJson, Figure, Results } from './results.js'
import type { Subject } from './subjects/subject.js'
import type { Workload } from './workloads/workload.js'

export interface Plan {
  subjects: Subject[]
  workloads: Workload[]
  blocks: number
  /** The length of each measurement. */
  seconds: number
  pinned: boolean
  /** Whether the rules of gate.ts apply. */
  gate: boolean
  /** Measures all subjects at the same time. This tests the benchmarks quickly; the figures mean nothing. */
  together: boolean
}

export async function run(topology: Topology, plan: Plan, tell: (block: BlockJson) => void): Promise<Results> {
  const { subjects, workloads, blocks, seconds, pinned, gate, together } = plan
  const links = await inTurn(subjects, together, (subject) => connect(topology, subject, pinned))
  const damage = new Map<string, string>()
  await inTurn(links, together, async (link) => {
    const found = await damageOf(link, together)
    if (found) damage.set(link.subject.name, found)
  })

  const circumstances = describeRun()
  const done: BlockJson[] = []
  for (let block = 1; block <= blocks; block++) {
    const disturbed = gate ? await disturbance() : undefined
    for (const workload of workloads) {
      const entry: BlockJson = { block, workload: workload.name, figures: {}, thrownAway: disturbed }
      if (!disturbed) {
        const those = links.filter(({ subject }) => workload.only?.test(subject.name) ?? true)
        await inTurn(block % 2 ? those : those.toReversed(), together, async (link) => {
          const refused = damage.get(link.subject.name)
          const [figure, cpu] = refused ? [{ refused }, undefined] : await measure(link, workload, seconds)
          entry.figures[link.subject.name] = figure
          const stolen = cpu && gate && stolenTooMuch(cpu)
          if (stolen) entry.thrownAway = `${(stolen * 100).toFixed(1)} % of the CPU time was stolen`
        })
      }
      tell(entry)
      done.push(entry)
    }
  }
  return {
    ...circumstances,
    settings: { seconds, blocks, pinned, gate },
    subjects: subjects.map(({ name, title }) => ({ name, title })),
    workloads: workloads.map(({ name, title, unit, better, cpuUnit }) => ({ name, title, unit, better, cpuUnit })),
    blocks: done,
    memory: Object.fromEntries(links.map(({ subject, pids }) => [subject.name, pssKiB(pids)])),
  }
}

/** Runs `act` for one item after the other, or for all at once. */
async function inTurn<T, R>(items: T[], together: boolean, act: (item: T) => Promise<R>): Promise<R[]> {
  if (together) return Promise.all(items.map(act))
  const results: R[] = []
  for (const item of items) results.push(await act(item))
  return results
}

const HASHED_BYTES = 32 << 20
const HASHED_DATAGRAMS = 200

/** Sends known bytes there and back over TCP and UDP; undefined if they came back unchanged. */
async function damageOf({ client, server }: Link, hurry: boolean): Promise<string | undefined> {
  const part = hurry ? 1 / 16 : 1
  const peer = await serveTransfers(server.ns)
  try {
    await transfer(client.ns, 'tcp', SERVER_ADDRESS, HASHED_BYTES * part)
    await transfer(client.ns, 'udp', SERVER_ADDRESS, HASHED_DATAGRAMS * part)
    return undefined
  } catch (error) {
    return `did not bring known bytes there and back: ${firstLine(error)}`
  } finally {
    peer.signal('SIGTERM')
    await peer.exit()
  }
}

/** One figure, and the CPU times of the machine during the measurement. */
async function measure(link: Link, workload: Workload, seconds: number): Promise<[Figure, CpuTimes | undefined]> {
  const offloads = workload.offloads ?? []
  try {
    for (const { end, set } of offloads) await link[end].ns.do(`ethtool -K ${link[end].dev} ${set}`)
    const before = await account(link)
    const begun = cpuTimes()
    const { value, moved, more } = await workload.measure(link, seconds)
    const cpu = cpuTimesSince(begun)
    const after = await account(link)
    const loss = workload.udp ? datagrams(before, after, link.client.dev) : undefined
    const frames = unexplainedFrames(before, after, link)
    const figure: Figure = {
      cpu: moved && cpu.busy / moved,
      retransmits: workload.udp ? undefined : retransmits(before, after),
      loss: moved === undefined ? undefined : loss, // a search for the highest rate loses datagrams on purpose
      more,
    }
    const refused = objection(link, loss?.unexplained ?? 0, frames)
    return [refused ? { refused } : { value, ...figure }, cpu]
  } catch (error) {
    return [{ refused: firstLine(error) }, undefined]
  } finally {
    // `run`, not `do`: a subject that never had TSO cannot get it back.
    for (const { end, undo } of offloads) await link[end].ns.run(`ethtool -K ${link[end].dev} ${undo}`)
  }
}

/** Why the figure must not be used; undefined if it can be. */
function objection(link: Link, datagramsGone: number, framesGone: number): string | undefined {
  const damaged = /^damaged.*/m.exec(link.sink.stdout)
  if (damaged) return damaged[0]
  if (datagramsGone !== 0) return `${datagramsGone} datagrams lost without explanation`
  if (framesGone !== 0) return `${framesGone} frames lost without explanation`
  return undefined
}

function firstLine(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n')
  return lines.slice(0, 3).join(' ').slice(0, 200)
}
