/**
 * /v1/events: streams events to a connected client, as server-sent events.
 *
 *     the events after Last-Event-ID, or `lost`; existing devices if `present`; the current position
 *         └→ each event as it happens ─→ … ─→ the client leaves, reads too slowly, or the daemon ends
 *
 * The snapshot is written and the subscription made in one turn of the event loop, so no event is lost between them.
 * Neighbours: events.ts, event-ring.ts; src/client/event-stream.ts reads it.
 * Invariant: a connection carries one stream, and the subscription ends with the connection. Nothing is written after the end
 * of a stream, and no code runs while no event happens.
 */
import type { Socket } from 'node:net'
import { type Event, EventsWanted, LastEventId, type Lost } from '../../src/api/schema.js'
import { netnsIdentity, netnsName } from '../../src/netlink/netns.js'
import { inCallersNetns } from '../caller.js'
import type { App, RouteContext } from './context.js'

/** Bytes that may wait for a slow client, in addition to the snapshot: more than the end of some thousand pairs at once. */
const BACKLOG_BYTES = 4 << 20

type IsWanted = (event: Event) => boolean

export function eventRoutes(app: App, { events }: Pick<RouteContext, 'events'>): void {
  const open = new Map<Socket, () => void>()

  // A request after a stream can never be answered, and Node would keep it in memory until the end of the connection.
  const isTaken = (socket: Socket) => open.has(socket) && socket.destroy() !== undefined
  app.addHook('onRequest', (request, reply, done) => {
    if (isTaken(request.raw.socket)) reply.hijack()
    done()
  })

  // a complete answer before the connections are cut: otherwise the client takes the end for its own slowness
  app.addHook('preClose', async () => {
    for (const end of open.values()) end()
  })

  app.get('/v1/events', { schema: { querystring: EventsWanted, headers: LastEventId } }, async (request, reply) => {
    const { netns, present } = request.query
    const isWanted =
      netns === undefined
        ? () => true
        : await inCallersNetns(request.raw.socket, netns, (here) => isIn(netnsIdentity(here)))

    reply.hijack()
    const { raw } = reply
    const { socket } = request.raw
    if (socket.destroyed || isTaken(socket)) return
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.write(begin(events, request.headers['last-event-id'], present !== undefined, isWanted))

    const limit = raw.writableLength + BACKLOG_BYTES
    const unsubscribe = events.ring.subscribe(({ id, event }) => {
      if (!isWanted(event)) return
      if (raw.writableLength <= limit) return raw.write(message(event, id))
      leave()
      socket.destroy()
    })
    const leave = () => {
      unsubscribe()
      open.delete(socket)
    }
    const end = () => {
      leave()
      raw.end()
    }
    open.set(socket, end)
    socket.once('close', leave) // a response that is queued behind another one on its connection has no 'close' event
    request.log.debug({ netns, present }, 'event stream opened')
  })
}

/** The first messages to a client. A message without data only tells the current position. */
function begin(
  events: RouteContext['events'],
  lastId: string | undefined,
  wantsPresent: boolean,
  isWanted: IsWanted,
): string {
  const { position } = events.ring
  const replay = lastId === undefined ? undefined : events.ring.after(lastId)
  const lost = replay?.lost ? message({ kind: 'lost' }, replay.from) : ''
  if (wantsPresent && replay?.lost !== false) {
    const there = events.present().filter(isWanted)
    // the id follows them: a client that is cut off before has not seen them all
    return `${lost}${there.map((event) => message(event)).join('')}id: ${position}\n\n`
  }
  const missed = (replay?.entries ?? []).filter(({ event }) => isWanted(event))
  return `${lost}${missed.map(({ id, event }) => message(event, id)).join('')}id: ${position}\n\n`
}

function message(event: Event | Lost, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`
}

/**
 * Whether an event is about a device that is or was in a namespace. A namespace with a name is compared by its name: a
 * namespace that is created again under the same name counts too, and the number of a dead one can be reused.
 */
function isIn(inode: number): IsWanted {
  const name = netnsName(inode)
  const isIt = (place: { netns: string | null; netns_inode: number }) =>
    name === undefined ? place.netns_inode === inode : place.netns === name
  return (event) => isIt(event) || (event.kind === 'moved' && isIt(event.from))
}
