/**
 * GET /v1/events and its client, with artificial events: a reader that is too slow, a reader whose connection breaks,
 * and the end of the stream.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { EventRing } from '../../../daemon/event-ring.js'
import type { App } from '../../../daemon/routes/context.js'
import { eventRoutes } from '../../../daemon/routes/events.js'
import type { Event, Lost } from '../../../src/api/schema.js'
import { Client } from '../../../src/client/client.js'

const about = { time: '2026-01-01T00:00:00.000Z', pair: 1, device: '1/a', name: 'veth1', netns: 't1', netns_inode: 7 }
const PRESENT: Event = { kind: 'added', ...about, peer: 'veth2', checksum: 'offload', carrier: false }

/** An event of some size, that is told from others by `what`. */
const numbered = (n: number): Event => ({ kind: 'degraded', ...about, what: String(n), why: 'x'.repeat(10_000) })

/** Twice of what may wait for a reader, however much the socket takes. */
const TOO_MANY = 1000

/** A ring that can say how many read it. */
class CountedRing extends EventRing<Event> {
  readers = 0

  override subscribe(reader: Parameters<EventRing<Event>['subscribe']>[0]): () => void {
    const unsubscribe = super.subscribe(reader)
    this.readers++
    return () => {
      this.readers--
      unsubscribe()
    }
  }
}

/** A server over a ring, and a client of it that has read that PRESENT is there. */
async function subscribed(t: Test, capacity: number) {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-'))
  const ring = new CountedRing(capacity)
  const app: App = Fastify({ forceCloseConnections: true }).withTypeProvider<TypeBoxTypeProvider>()
  eventRoutes(app, { events: { ring, present: () => [PRESENT] } })
  app.get('/slow', () => new Promise(() => {}))
  await app.listen({ path: join(folder, 's') })
  const end = new AbortController()
  t.teardown(async () => {
    end.abort()
    await app.close()
    rmSync(folder, { recursive: true })
  })
  const events = new Client(join(folder, 's')).events({ present: true }, end.signal)
  t.same((await events.next()).value, PRESENT)
  return { app, ring, end, events, path: join(folder, 's') }
}

/** The numbers, or else the kinds, of the events up to `last`. */
async function readUntil(events: AsyncGenerator<Event | Lost>, last: string): Promise<string[]> {
  const read: string[] = []
  for (;;) {
    const { value } = await events.next()
    read.push(value.kind === 'degraded' ? value.what : value.kind)
    if (read.at(-1) === last) return read
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

t.test('a reader that keeps up gets every event, however many come in one turn', async (t) => {
  const { ring, events } = await subscribed(t, 10)
  for (let n = 1; n <= 300; n++) ring.push(numbered(n))
  t.same(await readUntil(events, '300'), numbers(1, 300))
})

t.test('a reader that is too slow is cut off, and goes on where it was without a gap', async (t) => {
  const { app, ring, events } = await subscribed(t, 2 * TOO_MANY)
  let connections = 0
  app.server.on('connection', () => connections++)
  for (let n = 1; n <= TOO_MANY; n++) {
    ring.push(numbered(n))
    await turn()
  }
  t.same(await readUntil(events, String(TOO_MANY)), numbers(1, TOO_MANY))
  t.ok(connections > 0, 'it came again')
})

t.test('what is not kept any more is lost, and said to be', async (t) => {
  const { ring, events } = await subscribed(t, 10)
  for (let n = 1; n <= TOO_MANY; n++) {
    ring.push(numbered(n))
    await turn()
  }
  const before = await readUntil(events, 'lost')
  t.same(before.slice(0, -1), numbers(1, before.length - 1), 'without a gap so far')
  t.ok(before.length < TOO_MANY)
  t.match(await events.next(), { value: { kind: 'added' } }, 'who asked for what is there gets it again')
  ring.push(numbered(TOO_MANY + 1))
  t.same(await readUntil(events, String(TOO_MANY + 1)), [String(TOO_MANY + 1)])
})

t.test('the end of the daemon ends the stream, also while events come', async (t) => {
  const { app, ring, events } = await subscribed(t, 10)
  const ended = t.rejects(readUntil(events, 'never'), { code: 'DAEMON_NOT_RUNNING', exit: 1, message: /has ended/ })
  const closed = app.close()
  for (let n = 1; n <= 10; n++) {
    ring.push(numbered(n))
    await turn()
  }
  await closed
  await ended
})

t.test('who aborts is done', async (t) => {
  const { events, end } = await subscribed(t, 10)
  const next = events.next()
  end.abort()
  t.match(await next, { done: true })
})

t.test('a connection has one stream at most, and none once it is closed', async (t) => {
  const { ring, path } = await subscribed(t, 10)
  const get = (route: string) => `GET ${route} HTTP/1.1\r\nHost: vethd\r\n\r\n`
  for (const [requests, why] of [
    [get('/v1/events').repeat(1000), 'streams behind a stream'],
    [get('/slow') + get('/v1/events').repeat(1000), 'streams behind an answer that does not come'],
    [get('/v1/events') + get('/slow'), 'another request behind a stream'],
  ]) {
    const socket = connect(path, () => socket.write(requests)).resume()
    await once(socket, 'close') // what is behind a stream ends the connection
    t.equal(ring.readers, 1, `${why}: the client that was there is left`)
  }
  const socket = connect(path, () => socket.write(get('/slow') + get('/v1/events')))
  while (ring.readers < 2) await turn()
  socket.destroy()
  while (ring.readers > 1) await turn() // a stream that waits behind another answer ends with its connection, too
})
