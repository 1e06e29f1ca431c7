/** The client with a socket on which nothing, another program, or a stand-in for the daemon answers. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
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
  t.match(await failure(new Client(socket).devices()), {
    code: 'DAEMON_NOT_RUNNING',
    message: /ended during the request/,
  })
})

t.test('a request is a method, a path with its query, and a JSON body', async (t) => {
  const seen: unknown[] = []
  const client = await clientOf(t, async (request, response) => {
    seen.push([request.method, request.url, request.headers['content-type'], await bodyOf(request)])
    response.end('{}')
  })
  await client.addPair({ dev: { name: 'veth1' } })
  await client.removeDevices(['veth1', '1/a'])
  await client.setDevice('veth 1', { up: true })
  await client.devices()
  t.same(seen, [
    ['POST', '/v1/pairs', 'application/json', '{"dev":{"name":"veth1"}}'],
    ['DELETE', '/v1/devices?dev=veth1&dev=1%2Fa', undefined, ''],
    ['PATCH', '/v1/devices?dev=veth%201', 'application/json', '{"up":true}'],
    ['GET', '/v1/devices', undefined, ''],
  ])
})

/** This process's fds of its own network namespace. */
const openNetnsFds = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    const file = statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })
    return file?.ino === ownNetns.ino && file.dev === ownNetns.dev
  })
const ownNetns = statSync('/proc/self/ns/net')

t.test('the namespaces of a request are open until it is answered, and no longer', async (t) => {
  const word = '/proc/self/ns/net'
  let seen: string[] = []
  const client = await clientOf(t, async (request, response) => {
    const specs = `${decodeURIComponent(request.url!)}${await bodyOf(request)}`.match(/fd:\d+=[^"&]*/g) ?? []
    seen = specs.map((spec) =>
      spec.replace(/^fd:(\d+)=/, (_, fd) => (openNetnsFds().includes(fd) ? 'open ' : 'closed ')),
    )
    response.end('{}')
  })
  const requests: [number, () => Promise<unknown>][] = [
    [3, () => client.addPair({ dev: { netns: word }, peer: { netns: String(process.pid) } }, word)],
    [1, () => client.removeDevices(['veth1'], word)],
    [2, () => client.setDevice('veth1', { netns: word }, word)],
    [1, () => client.devices({ netns: word })],
    [1, () => client.stats({ netns: word })],
    [1, () => client.events({ netns: word }, new AbortController().signal).next()],
  ]
  for (const [count, send] of requests) {
    await send().catch(() => {}) // a stream that ends at once
    t.equal(seen.length, count, send.toString())
    t.ok(
      seen.every((spec) => spec.startsWith('open ')),
      seen.join(),
    )
    t.same(openNetnsFds(), [], 'afterwards none is')
  }
})

t.test('a namespace that is not there is refused in the words of ip, and nothing is sent or left open', async (t) => {
  const client = await clientOf(t, () => t.fail('nothing is to be asked'))
  const fifo = join(shortFolder(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const refusals: [Promise<unknown>, number, string][] = [
    [client.setDevice('x', { netns: './no' }), 255, 'Error: argument "./no" is wrong: Invalid "netns" value'],
    [client.setDevice('x', { netns: 'no' }), 255, 'Error: argument "no" is wrong: Invalid "netns" value'],
    [client.setDevice('x', { netns: '999999999' }), 2, 'RTNETLINK answers: No such process'],
    [client.setDevice('x', { netns: fifo }), 2, 'RTNETLINK answers: Invalid argument'],
    [client.devices({ netns: 'no' }), 255, 'Cannot open network namespace "no": No such file or directory'],
    [client.addPair({ dev: { netns: '/proc/self/ns/net' }, peer: { netns: 'no' } }), 255, 'Error: argument "no" is'],
  ]
  for (const [refused, exit, iproute2] of refusals)
    t.match(await failure(refused), { code: 'NETNS_INVALID', exit, iproute2: new RegExp(`^${iproute2}`) }, iproute2)
  t.same(openNetnsFds(), [])
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
