/** vethd, a daemon an engine. */
import { Client } from '../../src/client/client.js'
import { type Engine, startDaemon } from '../../test/device/harness/daemon.js'
import { type Fate, LEFT, RIGHT, type Subject } from './subject.js'

export function vethd(engine: Engine): Subject {
  return {
    name: `vethd-${engine}`,
    title: `vethd, ${engine === 'uring' ? 'io_uring' : engine}`,
    needs: [],
    join: async (topology, host) => {
      const daemon = await startDaemon(topology, host, { engine })
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
