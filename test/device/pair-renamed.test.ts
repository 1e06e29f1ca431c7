/**
 * An end that is moved, renamed and set up in quick succession: vethd finds it again, at whatever moment this happens,
 * and sets its carrier.
 */
import t from 'tap'
import { startDaemon } from './harness/daemon.js'
import { until } from './harness/processes.js'
import { ENGINES, vethd } from './harness/subject.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'

const ROUNDS = 40
/** As soon as the device is there. */
const AT_ONCE =
  'echo waits; until ip link set v2 name w2 2>/dev/null; do :; done; ip link set w2 up; ip link set w2 name v2'

t.setTimeout(DEADLINE_MS)
const skip = missing('ip')

for (const engine of ENGINES)
  t.test(`moved, renamed and set up at once, ${engine}`, { skip }, async (t) => {
    const topology = Topology.of(t)
    const [host, one, two] = await Promise.all(['host', 'one', 'two'].map((label) => topology.namespace(label)))
    const subject = vethd(await startDaemon(topology, host, { engine }), engine, 'offload')
    await subject.do(subject.newPair('v1', 'v2'))
    await host.do('ip link set v1 up')
    await host.do(`ip link set v2 netns ${one.name}`)
    let [here, there] = [one, two]
    for (let round = 0; round < ROUNDS; round++) {
      const rename = there.start(['sh', '-c', AT_ONCE])
      await rename.line(/waits/)
      await here.do(`ip link set v2 netns ${there.name}`)
      await rename.exit()
      await until('the carrier', async () => (await host.do('cat /sys/class/net/v1/carrier')).trim() === '1')
      ;[here, there] = [there, here]
    }
    t.pass(`${ROUNDS} times`)
  })
