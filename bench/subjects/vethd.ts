/** vethd: one daemon for each engine, and one whose worker is pinned to the receiver's CPU. */
import { Client } from '../../src/client/client.js'
import { type Engine, startDaemon } from '../../test/device/harness/daemon.js'
import { type Fate, LEFT, RIGHT, type Subject } from './subject.js'

export const vethdUring = vethd('vethd-uring', 'vethd, io_uring', 'uring')
export const vethdPoll = vethd('vethd-poll', 'vethd, poll', 'poll')
export const vethdPlaced = vethd('vethd-placed', 'vethd, io_uring, `--cpus 1`', 'uring', ['--cpus', '1'])

function vethd(name: string, title: string, engine: Engine, args: string[] = []): Subject {
  return {
    name,
    title,
    needs: [],
    join: async (topology, host) => {
      const daemon = await startDaemon(topology, host, { engine, args })
      await daemon.must(`link add ${LEFT} type veth peer name ${RIGHT}`)
      const client = new Client(daemon.socket)
      topology.defer(() => client.close())
      return { pids: [daemon.process.pid], fates: () => fates(client) }
    },
  }
}

async function fates(client: Client): Promise<Record<string, Fate>> {
  const { devices } = await client.stats()
  const numbers = (counters: Record<string, string>) =>
    Object.fromEntries(Object.entries(counters).map(([reason, count]) => [reason, Number(count)]))
  return Object.fromEntries(
    devices.map(({ ifname, vethd: { drops, gro } }) => [
      ifname,
      { drops: numbers(drops), merged: Number(gro.frames.merged) },
    ]),
  )
}
