/**
 * When a figure counts. Both rules stand here, before anything is measured:
 *
 *   quiet   A run refuses to start, and a block is left out, unless the machine has been 90 % idle for 2 s; who is in
 *           the way is named. One process left spinning makes every figure worthless.
 *   steal   A block of a workload is thrown away when the hypervisor took more than 2 % of the machine's CPU time while
 *           any of its subjects was measured.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CpuTimes, cpuTimes, cpuTimesSince, processTimes } from './machine.js'

const IDLE = 0.9
const WATCHED_MS = 2000
const ATTEMPTS = 15
const STOLEN = 0.02
/** A process that uses less of a CPU than this is not in anybody's way. */
const IN_THE_WAY = 0.02

/** Waits until the machine is quiet, for half a minute; then undefined, or who is in the way. */
export async function disturbance(attempts = ATTEMPTS): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const [before, processes] = [cpuTimes(), processTimes()]
    await sleep(WATCHED_MS)
    const { busy, idle, stolen } = cpuTimesSince(before)
    const share = idle / (busy + idle + stolen)
    if (share >= IDLE) return undefined
    const seconds = [...processTimes()].map(([pid, { name, seconds }]) => ({
      who: `${name} (${pid})`,
      share: (seconds - (processes.get(pid)?.seconds ?? 0)) / (WATCHED_MS / 1000),
    }))
    const inTheWay = seconds.filter(({ share }) => share > IN_THE_WAY).sort((a, b) => b.share - a.share)
    const named = inTheWay.slice(0, 3).map(({ who, share }) => `${who} ${Math.round(share * 100)} %`)
    const why = `the machine is only ${Math.round(share * 100)} % idle: ${named.join(', ') || 'short-lived processes'}`
    if (attempt === attempts) return why
    console.error(`# waiting: ${why}`)
  }
}

/** The part of the machine's CPU time that was stolen, when it is too much. */
export function stolenTooMuch({ busy, idle, stolen }: CpuTimes): number | undefined {
  const share = stolen / Math.max(busy + idle + stolen, 1e-9)
  return share > STOLEN ? share : undefined
}
