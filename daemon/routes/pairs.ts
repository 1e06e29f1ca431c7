/** /v1/pairs: pairs are made, listed, shown and deleted by their id. */
import { InNetns, type NewEnd, NewPair, Pair, PairId, Pairs } from '../../src/api/schema.js'
import type { Device } from '../../src/veth/device.js'
import type { ChecksumMode, EndOptions } from '../../src/veth/options.js'
import { inCallersNetns, withNetns } from '../caller.js'
import { describeAll, describePair } from '../describe.js'
import type { App, RouteContext } from './context.js'

export function pairRoutes(app: App, { driver, registry }: RouteContext): void {
  app.post(
    '/v1/pairs',
    { schema: { body: NewPair, querystring: InNetns, response: { 201: Pair } } },
    async (request, reply) => {
      const { dev = {}, peer = inherited(dev), checksum } = request.body
      const pair = await inCallersNetns(request.raw.socket, request.query.netns, (here) =>
        withNetns([dev.netns, peer.netns], ([devNetns = here, peerNetns = here]) =>
          driver.addPair({
            dev: endOptions(dev, devNetns),
            peer: endOptions(peer, peerNetns),
            checksum: checksum as ChecksumMode | undefined,
          }),
        ),
      )
      try {
        bringUp(pair.b, peer)
        bringUp(pair.a, dev)
        return reply.code(201).send(describePair(pair))
      } catch (error) {
        await driver.removePairs([pair])
        throw error
      }
    },
  )

  app.get('/v1/pairs', { schema: { response: { 200: Pairs } } }, async () => {
    return { pairs: describeAll(registry.pairs, describePair) }
  })

  app.get('/v1/pairs/:id', { schema: { params: PairId, response: { 200: Pair } } }, async (request) => {
    return describePair(registry.pair(Number(request.params.id)))
  })

  app.delete('/v1/pairs/:id', { schema: { params: PairId } }, async (request, reply) => {
    await driver.removePairs([registry.pair(Number(request.params.id))])
    return reply.code(204).send()
  })
}

/** veth_newlink without a peer block: the peer copies everything but name, address, index and the flags. */
function inherited({ name: _, address: __, index: ___, up: ____, ...rest }: NewEnd): NewEnd {
  return rest
}

function endOptions(end: NewEnd, netnsFd: number): EndOptions {
  const { name, address, broadcast, mtu, index, txqueuelen, numtxqueues, numrxqueues } = end
  return {
    name,
    address,
    broadcast,
    mtu,
    index,
    txqueuelen,
    numTxQueues: numtxqueues,
    numRxQueues: numrxqueues,
    netnsFd,
  }
}

function bringUp(device: Device, { up }: NewEnd): void {
  if (up) device.set({ up })
}
