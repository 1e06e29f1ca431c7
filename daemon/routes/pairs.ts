/** /v1/pairs: pairs are made, listed, shown and deleted by their id. */
import { ENOTCONN } from '../../src/abi/errno.js'
import { InNetns, type NewEnd, NewPair, Pair, PairId, Pairs } from '../../src/api/schema.js'
import { VethdError } from '../../src/errors.js'
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
      if (peer.up) throw peerUp()
      const pair = await inCallersNetns(request.raw.socket, request.query.netns, (here) =>
        withNetns(request.raw.socket, [dev.netns, peer.netns], ([devNetns = here, peerNetns = here]) =>
          driver.addPair({
            dev: endOptions(dev, devNetns),
            peer: endOptions(peer, peerNetns),
            checksum: checksum as ChecksumMode | undefined,
          }),
        ),
      )
      try {
        if (dev.up) pair.a.set({ up: true })
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
  const { name, address, broadcast, mtu, index, group, txqueuelen, numtxqueues, numrxqueues } = end
  return {
    name,
    address,
    broadcast,
    mtu,
    index,
    group,
    txqueuelen,
    numTxQueues: numtxqueues,
    numRxQueues: numrxqueues,
    netnsFd,
  }
}

/** veth_open of an end that has no peer yet: so it is when the kernel configures the peer. */
function peerUp(): VethdError {
  return new VethdError('ARGUMENT_INVALID', 'a peer cannot be born up: set it up once the pair is there', {
    iproute2: 'RTNETLINK answers: Transport endpoint is not connected',
    exit: 2,
    errno: -ENOTCONN,
  })
}
