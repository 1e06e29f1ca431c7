/**
 * Is the machine quiet enough to measure on? One process left spinning makes every figure worthless.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const SAMPLE_MS = 1000
/** Clock ticks a second, USER_HZ: 100 on every architecture that Node runs on. */
const USER_HZ = 100
const BUSY = 0.1
const PATIENCE = 120

/** CPU ticks of every process but this one, and its name. */
function cpuTicks(): Map<string, { ticks: number; name: string }> {
  const processes = new Map<string, { ticks: number; name: string }>()
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))) {
    try {
      // "PID (NAME) STATE …": NAME may hold anything; utime and stime are the 12th and 13th words behind it.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      processes.set(pid, { ticks: Number(words[11]) + Number(words[12]), name })
    } catch {} // it ended meanwhile
  }
  return processes
}

/** Processes that use more than a tenth of a CPU at the moment, as "NAME (PID) 99 %". */
async function busyProcesses(): Promise<string[]> {
  const before = cpuTicks()
  await sleep(SAMPLE_MS)
  const busy: string[] = []
  for (const [pid, { ticks, name }] of cpuTicks()) {
    const share = ((ticks - (before.get(pid)?.ticks ?? ticks)) / USER_HZ) * (1000 / SAMPLE_MS)
    if (share > BUSY) busy.push(`${name} (${pid}) ${Math.round(share * 100)} %`)
  }
  return busy
}

/** Waits until nothing else uses the CPU, saying what does; throws when that does not end. */
export async function quietMachine(): Promise<void> {
  for (let attempt = 0; attempt < PATIENCE; attempt++) {
    const busy = await busyProcesses()
    if (busy.length === 0) return
    console.error(`waiting for a quiet machine: ${busy.join(', ')}`)
  }
  throw new Error('the machine is busy: no figure measured now would mean anything')
}
