/** The network in the commands that `npm start` prints is one that the machine does not use. */
import { join } from 'node:path'
import t from 'tap'

const SCRIPT = join(import.meta.dirname, '../../../../scripts/free-network.mjs')
const { freeNetwork } = (await import(SCRIPT)) as { freeNetwork(networks: string[]): string | undefined }

t.test('a machine with none of the networks gets the one of the README', async (t) => {
  t.equal(freeNetwork([]), '198.18.0')
  t.equal(freeNetwork(['127.0.0.1/8', '192.0.2.2/24', '198.17.255.255/32', '198.18.1.0/24']), '198.18.0')
})

t.test('a network that an address or a route overlaps is not taken', async (t) => {
  for (const taken of ['198.18.0.7/32', '198.18.0.128/25', '198.18.3.1/16']) {
    t.equal(freeNetwork([taken]), '198.19.0', taken)
  }
  t.equal(freeNetwork(['198.18.0.0/15']), '203.0.113')
  t.equal(freeNetwork(['198.0.0.0/8']), '203.0.113')
})

t.test('a default route that is cut in two claims nothing', async (t) => {
  t.equal(freeNetwork(['0.0.0.0/1', '128.0.0.0/1']), '198.18.0')
})
