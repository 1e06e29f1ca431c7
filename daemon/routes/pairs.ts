/** /v1/pairs: creates, lists, shows and deletes pairs. */
import { ENOTCONN } from '../../src/abi/errno.js'
import { InNetns, type NewEnd, NewPair, NoQuery, Pair, PairId, Pairs } from '../../src/api/schema.js'
import { VethdError } from '../../src/errors.js'
import { inNetns } from '../../src/netlink/rtnetlink.js'
import { masterLink } from '../../src/veth/change.js'
import { type ChecksumMode, type EndOptions, inherited } from '../../src/veth/options.js'
import { inCallersNetns, withNetns } from '../caller.js'
import { describePair, Reader } from '../describe.js'
import { JSON_TYPE, Lists, pairsList } from '../lists.js'
import type { App, RouteContext } from './context.js'

export function pairRoutes(app: App, { driver, registry }: RouteContext): void {
  const lists = new Lists()

  app.post(
    '/v1/pairs',
    { schema: { body: NewPair, querystring: InNetns, response: { 201: Pair } } },
    async (request, reply) => {
      const { dev = {}, peer = inherited(dev), checksum } = request.body
      const { socket } = request.raw
      const { pair, master } = await inCallersNetns(socket, request.query.netns, async (here) => {
        const master = masterOf(dev, here)
        masterOf(peer, here) // ip looks it up; the kernel ignores it
        if (peer.up) throw peerUp()
        const pair = await withNetns(socket, [dev.netns, peer.netns], ([devNetns = here, peerNetns = here]) =>
          driver.addPair({
            dev: endOptions(dev, devNetns),
            peer: endOptions(peer, peerNetns),
            checksum: checksum as ChecksumMode | undefined,
          }),
        )
        return { pair, master }
      })
      try {
        if (dev.up || master !== undefined) driver.set(pair.a, { up: dev.up, master })
        return reply.code(201).send(describePair(pair, new Reader(driver, pair.devices)))
      } catch (error) {
        await driver.removePairs([pair])
        throw error
      }
    },
  )

  app.get('/v1/pairs', { schema: { querystring: NoQuery, response: { 200: Pairs } } }, async (_request, reply) => {
    const answer = await lists.inTurn('', () => {
      const { pairs } = registry
      const devices = pairs.map(({ a }) => a)
      return pairsList(pairs, new Reader(driver, devices))
    })
    return reply.type(JSON_TYPE).send(answer as never)
  })

  app.get(
    '/v1/pairs/:id',
    { schema: { params: PairId, querystring: NoQuery, response: { 200: Pair } } },
    async (request) => {
      const pair = registry.pair(Number(request.params.id))
      return describePair(pair, new Reader(driver, pair.devices))
    },
  )

  app.delete('/v1/pairs/:id', { schema: { params: PairId, querystring: NoQuery } }, async (request, reply) => {
    await driver.removePairs([registry.pair(Number(request.params.id))])
    return reply.code(204).send()
  })
}

function masterOf({ master }: NewEnd, netnsFd: number): number | undefined {
  return master === undefined ? undefined : inNetns(netnsFd, (rtnl) => masterLink(rtnl, master).index)
}

function endOptions(end: NewEnd, netnsFd: number): EndOptions {
  const { netns: _, up: __, master: ___, numtxqueues, numrxqueues, mode, ...rest } = end
  const { gso_max_size, gso_max_segs, gro_max_size, ...same } = rest
  return {
    ...same,
    netnsFd,
    numTxQueues: numtxqueues,
    numRxQueues: numrxqueues,
    linkMode: mode,
    gsoMaxSize: gso_max_size,
    gsoMaxSegs: gso_max_segs,
    groMaxSize: gro_max_size,
  }
}

/** The error of veth_open for an end without a peer: the kernel configures the peer before dev exists. */
function peerUp(): VethdError {
  return new VethdError('ARGUMENT_INVALID', 'a new peer cannot be up: set it up after the pair is created', {
    iproute2: 'RTNETLINK answers: Transport endpoint is not connected',
    exit: 2,
    errno: -ENOTCONN,
  })
}
