/**
 * /v1/events: what happens from now on, as server-sent events, to whoever stays connected.
 *
 *     id of the last event, that came after Last-Event-ID or `lost`, what is present if that is asked for
 *         └→ each event as it happens ─→ … ─→ the reader goes, reads too slowly, or the daemon ends
 *
 * What a reader is told first and what it is told then meet in one turn of the event loop: nothing falls in between.
 * Neighbours: events.ts, event-ring.ts; src/client/event-stream.ts reads it.
 * Invariant: a connection carries one stream, and the subscription ends with the connection. Nothing is written behind a
 * stream's end, and nothing runs while nothing happens.
 */
import type { Socket } from 'node:net'
import { type Event, EventsWanted, LastEventId, type Lost } from '../../src/api/schema.js'
import { netnsIdentity, netnsName } from '../../src/netlink/netns.js'
import { inCallersNetns } from '../caller.js'
import type { App, RouteContext } from './context.js'

/** What may wait for a slow reader, beyond what it was told first: the end of some thousand pairs at once, and more. */
const BACKLOG_BYTES = 4 << 20

type IsWanted = (event: Event) => boolean

export function eventRoutes(app: App, { events }: Pick<RouteContext, 'events'>): void {
  const open = new Map<Socket, () => void>()

  // Nothing behind a stream could ever be answered, and Node would keep each request until the end of the connection.
  const isTaken = (socket: Socket) => open.has(socket) && socket.destroy() !== undefined
  app.addHook('onRequest', (request, reply, done) => {
    if (isTaken(request.raw.socket)) reply.hijack()
    done()
  })

  // before the connections are cut: an end that is said is told from a reader's being too slow
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
    socket.once('close', leave) // an answer that waits behind another one's on its connection has no 'close' of its own
    request.log.debug({ netns, present }, 'a reader of events')
  })
}

/** What a reader is told first. A message without data only says where it stands. */
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
    // their id comes last: who is cut off before has not seen them all
    return `${lost}${there.map((event) => message(event)).join('')}id: ${position}\n\n`
  }
  const missed = (replay?.entries ?? []).filter(({ event }) => isWanted(event))
  return `${lost}${missed.map(({ id, event }) => message(event, id)).join('')}id: ${position}\n\n`
}

function message(event: Event | Lost, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`
}

/**
 * Whether an event is of a device that is, or was, in a namespace: by its name where it has one, since a namespace that
 * is made again is meant too, and the number of one that died may be another's.
 */
function isIn(inode: number): IsWanted {
  const name = netnsName(inode)
  const isIt = (place: { netns: string | null; netns_inode: number }) =>
    name === undefined ? place.netns_inode === inode : place.netns === name
  return (event) => isIt(event) || (event.kind === 'moved' && isIt(event.from))
}
