/** /v1/pairs: creates, lists, shows and deletes pairs. */
import { ENOTCONN } from '../../src/abi/errno.js'
import { InNetns, type NewEnd, NewPair, NoQuery, Pair, PairId, Pairs } from '../../src/api/schema.js'
import { VethdError } from '../../src/errors.js'
import { inNetns } from '../../src/netlink/socket.js'
import { masterLink } from '../../src/veth/device.js'
import { type ChecksumMode, type EndOptions, inherited } from '../../src/veth/options.js'
import { ownTurn } from '../../src/veth/turns.js'
import { inCallersNetns, withNetns } from '../caller.js'
import { describeAll, describePair, Reader } from '../describe.js'
import type { App, RouteContext } from './context.js'

export function pairRoutes(app: App, { driver, registry }: RouteContext): void {
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
        if (dev.up || master !== undefined) pair.a.set({ up: dev.up, master })
        return reply.code(201).send(describePair(pair, new Reader(driver, pair.devices)))
      } catch (error) {
        await driver.removePairs([pair])
        throw error
      }
    },
  )

  app.get('/v1/pairs', { schema: { querystring: NoQuery, response: { 200: Pairs } } }, async () => {
    await ownTurn()
    const { pairs } = registry
    const reader = new Reader(
      driver,
      pairs.map(({ a }) => a),
    )
    return { pairs: describeAll(pairs, describePair, reader) }
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
