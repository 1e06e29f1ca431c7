/** vethd, a daemon an engine. */
import { Client } from '../../src/client/client.js'
import { type Engine, startDaemon } from '../../test/device/harness/daemon.js'
import { LEFT, RIGHT, type Subject } from './subject.js'

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
      return { pids: [daemon.process.pid], drops: () => drops(client) }
    },
  }
}

async function drops(client: Client): Promise<Record<string, Record<string, number>>> {
  const { devices } = await client.stats()
  const numbers = (counters: Record<string, string>) =>
    Object.fromEntries(Object.entries(counters).map(([reason, count]) => [reason, Number(count)]))
  return Object.fromEntries(devices.map(({ ifname, vethd }) => [ifname, numbers(vethd.drops)]))
}
