/** The client against a socket that nobody, somebody else, or a stand-in for the daemon answers on. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Client, removedOf } from '../../../src/client/client.js'
import type { VethdError } from '../../../src/errors.js'

/** A folder of the test's own with a short path: a unix socket's may have 107 bytes, wherever this clone lies. */
function shortFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'vethd-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A client of a server that answers as `answer` does. */
async function clientOf(t: Test, answer: RequestListener, answerWithinMs?: number): Promise<Client> {
  const socket = join(shortFolder(t), 's')
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const client = new Client(socket, answerWithinMs)
  t.teardown(() => {
    client.close()
    server.close()
    server.closeAllConnections()
  })
  return client
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}

async function failure(promise: Promise<unknown>): Promise<VethdError> {
  return promise.then(
    () => Promise.reject(new Error('nothing failed')),
    (error) => error,
  )
}

t.test('a daemon that is not running is named by its socket, with how to start it', async (t) => {
  const socket = join(shortFolder(t), 'control.sock')
  const error = await failure(new Client(socket).devices())
  t.match(error, { code: 'DAEMON_NOT_RUNNING', exit: 1, syscall: 'connect' })
  t.match(error.message, socket)
  t.match(error.message, 'sudo npm start')
  t.match(error.message, 'systemctl start vethd')
})

t.test('a daemon that goes away while it is asked is not running', async (t) => {
  const socket = join(shortFolder(t), 's')
  const server = createNetServer((connection) => connection.destroy())
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  t.match(await failure(new Client(socket).devices()), { code: 'DAEMON_NOT_RUNNING', message: /went away/ })
})

t.test('a request is a method, a path with its query, and a JSON body', async (t) => {
  const seen: unknown[] = []
  const client = await clientOf(t, async (request, response) => {
    seen.push([request.method, request.url, request.headers['content-type'], await bodyOf(request)])
    response.end('{}')
  })
  await client.addPair({ dev: { name: 'veth1' } }, 't1')
  await client.removeDevices(['veth1', '1/a'])
  await client.setDevice('veth 1', { up: true })
  await client.devices()
  t.same(seen, [
    ['POST', '/v1/pairs?netns=t1', 'application/json', '{"dev":{"name":"veth1"}}'],
    ['DELETE', '/v1/devices?dev=veth1&dev=1%2Fa', undefined, ''],
    ['PATCH', '/v1/devices?dev=veth+1', 'application/json', '{"up":true}'],
    ['GET', '/v1/devices', undefined, ''],
  ])
})

t.test('a problem comes back as the error it was made of', async (t) => {
  const problem = {
    code: 'DEVICE_EXISTS',
    detail: 'there is one',
    iproute2: 'RTNETLINK answers: File exists',
    exit: 2,
    errno: -17,
    syscall: 'rtnetlink(RTM_SETLINK)',
    removed: 3,
  }
  const client = await clientOf(t, (_, response) => response.writeHead(409).end(JSON.stringify(problem)))
  const error = await failure(client.removeDevices(['veth1']))
  const { detail, removed, ...details } = problem
  t.match(error, { ...details, message: detail })
  t.equal(removedOf(error), removed)
})

t.test('an answer that is no problem document is a fault, not a crash', async (t) => {
  const client = await clientOf(t, (_, response) => response.writeHead(502).end('<html>'))
  t.match(await failure(client.pairs()), { code: 'INTERNAL', message: 'vethd answered 502: <html>' })
})

t.test('a daemon that is silent is given up after a while, in words', async (t) => {
  const client = await clientOf(t, () => {}, 20)
  const expected = { code: 'DAEMON_SILENT', exit: 1, message: /has not answered for 0\.02 s: it is stopped/ }
  t.match(await failure(client.devices()), expected)
  t.match(await failure(client.addPair({})), expected)
  const { signal } = new AbortController()
  t.match(await failure(client.events({}, signal).next()), expected, 'before a stream has begun')
})

t.test('a stream may be silent once it has begun', async (t) => {
  const client = await clientOf(
    t,
    (_, response) => {
      response.writeHead(200).write('id: 1\n\n')
      setTimeout(() => response.write('data: {"kind":"lost"}\n\n'), 60)
    },
    20,
  )
  const end = new AbortController()
  const events = client.events({}, end.signal)
  t.same(await events.next(), { done: false, value: { kind: 'lost' } })
  end.abort()
  t.equal((await events.next()).done, true)
})
