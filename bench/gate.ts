/**
 * The two rules that decide whether a figure counts:
 *
 *   quiet   A run starts, and a block is measured, only if the machine has been 90 % idle for 2 s. Otherwise the busiest
 *           processes are named. One spinning process makes every figure worthless.
 *   steal   A workload's block is thrown away if the hypervisor took more than 2 % of the machine's CPU time while any
 *           subject was measured.
 *
 * Neighbours: main.ts and run.ts ask for both.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CpuTimes, cpuTimes, cpuTimesSince, processTimes } from './machine.js'

const IDLE = 0.9
const WATCHED_MS = 2000
const ATTEMPTS = 15
const STOLEN = 0.02
/** A process that uses less of a CPU than this is not named. */
const NAMED = 0.02

/** Waits up to half a minute for the machine to be quiet. Undefined if it is, else the processes that use the CPU. */
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
    const busiest = seconds.filter(({ share }) => share > NAMED).sort((a, b) => b.share - a.share)
    const named = busiest.slice(0, 3).map(({ who, share }) => `${who} ${Math.round(share * 100)} %`)
    const why = `the machine is only ${Math.round(share * 100)} % idle: ${named.join(', ') || 'short-lived processes'}`
    if (attempt === attempts) return why
    console.error(`# waiting: ${why}`)
  }
}

/** The share of the machine's CPU time that was stolen, if it is too large. */
export function stolenTooMuch({ busy, idle, stolen }: CpuTimes): number | undefined {
  const share = stolen / Math.max(busy + idle + stolen, 1e-9)
  return share > STOLEN ? share : undefined
}
