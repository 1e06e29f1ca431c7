/** The control API without vethctl: valid and invalid requests of any HTTP client. */
import { connect } from 'node:net'
import t from 'tap'
import { Client } from '../../src/client/client.js'
import { missing, send, startRig } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

/** All that is answered to some bytes, until the connection is closed. */
async function sendRaw(socketPath: string, bytes: string): Promise<string> {
  const socket = connect(socketPath).setEncoding('utf8')
  socket.end(bytes)
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

t.test('a request that cannot be understood is a problem, never a crash', { skip }, async (t) => {
  const { daemon, host } = await startRig(t)
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  const nonsense: [status: number, method: string, path: string, body?: string][] = [
    [400, 'POST', '/v1/pairs', '{'],
    [400, 'POST', '/v1/pairs', ''],
    [400, 'POST', '/v1/pairs', 'null'],
    [400, 'POST', '/v1/pairs', '[]'],
    [400, 'POST', '/v1/pairs', deep],
    [400, 'POST', '/v1/pairs', '{"dev":{"name":1}}'],
    [400, 'POST', '/v1/pairs', '{"dev":{"mtu":"1500"}}'],
    [400, 'POST', '/v1/pairs', '{"dev":{"mtu":1e99}}'],
    [400, 'POST', '/v1/pairs', '{"dev":{"nmae":"x"}}'],
    [400, 'POST', '/v1/pairs', '{"__proto__":{"x":1}}'],
    [400, 'POST', '/v1/pairs', '{"checksum":"maybe"}'],
    [400, 'POST', '/v1/pairs', '{"dev":{"name":"a\\u0000b"}}'],
    [400, 'POST', '/v1/pairs', '{"dev":{"netns":"../../etc/passwd"}}'],
    [413, 'POST', '/v1/pairs', `"${'x'.repeat(100_000)}"`],
    [400, 'PATCH', '/v1/devices', '{}'],
    [404, 'PATCH', '/v1/devices?dev=x', '{}'],
    [400, 'DELETE', '/v1/devices'],
    [400, 'GET', '/v1/devices?foo=bar'],
    [400, 'GET', '/v1/devices?dev=a&dev=b'],
    [400, 'GET', '/v1/events?present=maybe'],
    [400, 'GET', '/v1/events?netns=nowhere'],
    [404, 'GET', '/v1/pairs/1'],
    [400, 'GET', '/v1/pairs/x'],
    [404, 'DELETE', '/v1/pairs/99999999999999999999'],
    [404, 'GET', '/v2/pairs'],
    [404, 'PUT', '/v1/pairs'],
    [404, 'PROPFIND', '/v1/pairs'],
    [404, 'OPTIONS', '/v1/pairs'],
    [400, 'GET', '/v1/%zz'],
    [400, 'GET', '/v1/pairs/%zz'],
    // every route refuses a query that it does not know
    [400, 'GET', '/v1/version?foo=bar'],
    [400, 'GET', '/v1/doctor?foo=bar'],
    [400, 'GET', '/v1/pairs?netns=x'],
    [400, 'POST', '/v1/pairs?foo=bar', '{}'],
    [400, 'GET', '/v1/pairs/1?foo=bar'],
    [400, 'DELETE', '/v1/pairs/1?foo=bar'],
    [400, 'PATCH', '/v1/devices?dev=x&foo=bar', '{}'],
    [400, 'DELETE', '/v1/devices?dev=x&foo=bar'],
    [400, 'GET', '/v1/stats?foo=bar'],
    [400, 'GET', '/v1/events?foo=bar'],
    [431, 'GET', `/v1/version?${'x'.repeat(100_000)}`],
  ]
  for (const [status, method, path, body] of nonsense) {
    const answer = await send(daemon.socket, method, path, body)
    const what = `${method} ${path} ${body?.slice(0, 40) ?? ''}`
    t.equal(answer.status, status, what)
    t.match(answer.type, 'application/problem+json', what)
    t.match(answer.body, { type: /^urn:vethd:error:/, title: String, detail: String, code: String, exit: Number }, what)
    t.equal(answer.body.status, status, what)
  }
  for (const text of ['this is not HTTP\r\n\r\n', 'FOO /v1/pairs HTTP/1.1\r\nHost: vethd\r\n\r\n']) {
    const [head, body] = (await sendRaw(daemon.socket, text)).split('\r\n\r\n')
    t.match(head, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/)
    t.match(JSON.parse(body), { status: 400, code: 'REQUEST_INVALID', exit: 255 })
  }
  t.equal((await send(daemon.socket, 'GET', '/v1/version')).status, 200, 'the daemon works on')
  t.same(await host.devices(), [])
})

t.test('a pair is made, shown, changed and deleted', { skip }, async (t) => {
  const { daemon, host } = await startRig(t)
  // the test's process is the caller, and lives in the machine's namespace: it says where it means
  const here = `netns=${host.name}`
  const made = await send(daemon.socket, 'POST', `/v1/pairs?${here}`, '{"dev":{"name":"veth1","up":true}}')
  t.equal(made.status, 201)
  t.match(made.body, { id: 1, checksum: 'offload', a: { ifname: 'veth1' }, b: { ifname: 'veth0' } })
  t.ok(made.body.a.flags.includes('UP'))
  t.notOk(made.body.b.flags.includes('UP'))
  t.equal(made.body.a.stats64.rx.bytes, '0', 'a counter is a decimal string')
  t.match((await send(daemon.socket, 'GET', '/v1/pairs')).body, { pairs: [{ id: 1 }] })
  const changed = await send(daemon.socket, 'PATCH', `/v1/devices?dev=veth1&${here}`, '{"mtu":1400,"up":false}')
  t.match(changed, { status: 200, body: { ifname: 'veth1', mtu: 1400 } })
  t.equal(changed.body.vethd.gro_flush_us, 0)
  for (const end of ['a', 'b']) {
    const up = await send(daemon.socket, 'PATCH', `/v1/devices?dev=1/${end}`, '{"up":true}')
    t.equal(up.body.flags.includes('LOWER_UP'), end === 'b', 'the carrier has followed when a change is answered')
  }
  const held = await send(daemon.socket, 'PATCH', `/v1/devices?dev=1/a`, '{"gro_flush_us":1000000}')
  t.match(held, { status: 200, body: { mtu: 1400, vethd: { gro_flush_us: 1_000_000 } } })
  for (const us of [-1, 1_000_001]) {
    const refused = await send(daemon.socket, 'PATCH', `/v1/devices?dev=1/a`, `{"gro_flush_us":${us}}`)
    t.match(refused, { status: 400, body: { code: 'ARGUMENT_INVALID', detail: /gro-flush-us/ } })
  }
  t.match((await send(daemon.socket, 'GET', '/v1/stats?dev=1/a')).body.devices[0].vethd.read, { packets: /^\d+$/ })
  t.equal((await send(daemon.socket, 'DELETE', '/v1/pairs/1')).status, 204)
  t.same(await host.devices(), [])
})

t.test('of many deletions the first that fails ends it, and those before it are done', { skip }, async (t) => {
  const { daemon, host } = await startRig(t)
  const here = `netns=${host.name}`
  for (const name of ['a1', 'a2', 'a3']) {
    await send(
      daemon.socket,
      'POST',
      `/v1/pairs?${here}`,
      JSON.stringify({ dev: { name }, peer: { name: `p${name}` } }),
    )
  }
  const { status, type, body } = await send(daemon.socket, 'DELETE', `/v1/devices?dev=a1&dev=pa1&dev=a2&${here}`)
  t.equal(status, 404)
  t.match(type, 'application/problem+json')
  t.match(body, { code: 'DEVICE_NOT_FOUND', removed: 1, iproute2: 'Cannot find device "pa1"', exit: 1 })
  t.same((await host.devices()).sort(), ['a2', 'a3', 'pa2', 'pa3'])
  t.same((await send(daemon.socket, 'DELETE', `/v1/devices?dev=a2&dev=pa3&${here}`)).body, { removed: 2 })
  t.same(await host.devices(), [])
})

t.test('a daemon that is stopped is not waited for without end', { skip }, async (t) => {
  const { daemon } = await startRig(t)
  const client = new Client(daemon.socket, 50)
  daemon.process.signal('SIGSTOP')
  await t.rejects(client.doctor(), { code: 'DAEMON_SILENT', message: /it is stopped/ })
  await t.rejects(client.addPair({}), { code: 'DAEMON_SILENT' })
  daemon.process.signal('SIGCONT')
  client.close()
})
