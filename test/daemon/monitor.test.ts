/**
 * `vethctl monitor` and GET /v1/events: what plain `ip` and vethctl do to pairs is told, once, in order, with nothing
 * missed.
 *
 * A monitor with --present that has told what is there listens already: that is what the tests wait for.
 */
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Value } from 'typebox/value'
import { Event } from '../../src/api/schema.js'
import { readEventStream, type StreamMessage } from '../../src/client/event-stream.js'
import { ROOT } from '../device/harness/daemon.js'
import type { Process } from '../device/harness/processes.js'
import { missing, type Rig, split, startRig, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

/** Starts `vethctl … monitor …` in the host's namespace. */
function monitor({ host, daemon }: Rig, words: string): Process {
  return host.start([process.execPath, VETHCTL, '--socket', daemon.socket, ...split(words)])
}

/** The first `count` lines, as soon as there are as many. */
async function lines(monitor: Process, count: number): Promise<string[]> {
  await monitor.line(new RegExp(`^(?:.*\n){${count}}`))
  return monitor.stdout.split('\n').slice(0, count)
}

/** A monitor that is asked for what comes next: NDJSON, in which each line is an event as the schema has it. */
class Watch {
  readonly process: Process
  #read = 0

  constructor(rig: Rig, words: string) {
    this.process = monitor(rig, words)
  }

  async next(t: Test, count: number): Promise<Event[]> {
    const all = await lines(this.process, this.#read + count)
    const events = all.slice(this.#read).map((line) => JSON.parse(line) as Event)
    for (const event of events) t.ok(Value.Check(Event, event), JSON.stringify(event))
    this.#read += count
    return events
  }
}

/** An open answer of GET /v1/events: subscribed, since the server says so in its headers. */
async function openStream(
  t: Test,
  socketPath: string,
  { path = '/v1/events', lastId }: { path?: string; lastId?: string },
): Promise<AsyncGenerator<StreamMessage>> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, path, headers, agent: false }, resolve).on('error', reject).end()
  })
  t.teardown(() => incoming.destroy())
  t.match(incoming.headers, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  return readEventStream(incoming.setEncoding('utf8'))
}

async function take(
  stream: AsyncGenerator<StreamMessage>,
  count: number,
): Promise<(StreamMessage & { event: Event })[]> {
  const taken = []
  while (taken.length < count) {
    const { value } = await stream.next()
    if (value === undefined) throw new Error(`the stream ended after ${taken.length} of ${count} events`)
    if (value.data !== undefined) taken.push({ ...value, event: JSON.parse(value.data) })
  }
  return taken
}

t.test('whatever is done to a pair is told, in text and in JSON', { skip }, async (t) => {
  const rig = await startRig(t)
  const { topology, host, must } = rig
  const other = await topology.namespace('t')
  const inode = async (ns: typeof host) => Number(/\d+/.exec(await ns.do('readlink /proc/self/ns/net'))![0])
  const here = { netns: host.name, netns_inode: await inode(host) }
  const there = { netns: other.name, netns_inode: await inode(other) }
  await must('link add veth1 type veth checksum verify peer name veth2')
  const json = new Watch(rig, '-j monitor --present')
  const text = monitor(rig, 'monitor --present')
  await lines(text, 2)

  const a = { pair: 1, device: '1/a', name: 'veth1', ...here }
  const b = { pair: 1, device: '1/b', name: 'veth2', ...here }
  const added = { kind: 'added', checksum: 'verify', carrier: false }
  t.match(await json.next(t, 2), [
    { ...added, ...a, peer: 'veth2' },
    { ...added, ...b, peer: 'veth1' },
  ])
  const carrier = (on: boolean, ...ends: object[]) => ends.map((end) => ({ kind: 'carrier', ...end, carrier: on }))
  await host.do('ip link set veth1 up')
  await host.do('ip link set veth2 up')
  t.match(await json.next(t, 2), carrier(true, b, a), 'both ends are up')
  for (const [end, peer] of [
    [a, b],
    [b, a],
  ]) {
    await host.do(`ip link set ${end.name} down`)
    t.match(await json.next(t, 2), carrier(false, end, peer), `${end.name} goes down`)
    await host.do(`ip link set ${end.name} up`)
    t.match(await json.next(t, 2), carrier(true, end, peer), `${end.name} goes up`)
  }
  await host.do(`ip link set veth2 netns ${other.name}`)
  const moved = { kind: 'moved', ...b, ...there, from: here }
  t.match(await json.next(t, 3), [...carrier(false, b, a), moved], 'a move takes it down first')
  await other.do('ip link set veth2 name eth0')
  t.match(await json.next(t, 1), [{ kind: 'renamed', ...b, ...there, name: 'eth0', was: 'veth2' }])
  await other.do(`ip link set eth0 netns ${host.name} name veth2`)
  t.match(await json.next(t, 2), [
    { kind: 'moved', ...b, from: there },
    { kind: 'renamed', ...b, was: 'eth0' },
  ])
  const removed = (reason: string) => [
    { kind: 'removed', name: 'veth1', ...here, reason },
    { kind: 'removed', name: 'veth2', ...here, reason },
  ]
  await host.do('ip link del veth2')
  t.match(await json.next(t, 2), removed('device-gone'))

  await must('link add veth1 type veth peer name veth2')
  t.match(await json.next(t, 2), [
    { kind: 'added', ...a, pair: 2, device: '2/a', peer: 'veth2', checksum: 'offload', carrier: false },
    { kind: 'added', ...b, pair: 2, device: '2/b', peer: 'veth1' },
  ])
  await must('link del veth1')
  t.match(await json.next(t, 2), removed('asked'))

  await must(`link add veth1 netns ${other.name} type veth peer name veth2 netns ${host.name}`)
  await json.next(t, 2)
  await other.delete()
  t.match(
    await json.next(t, 2),
    [{ ...removed('device-gone')[0], ...there }, removed('device-gone')[1]],
    'a namespace that dies is still told by its name',
  )

  const said = (await lines(text, 28)).map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, ''))
  const [h, o] = [host.name.padEnd(16), other.name.padEnd(16)]
  t.same(said.slice(0, 4), [
    ` added     1/a     veth1            ${h}  peer veth2 checksum verify carrier off`,
    ` added     1/b     veth2            ${h}  peer veth1 checksum verify carrier off`,
    ` carrier   1/b     veth2            ${h}  on`,
    ` carrier   1/a     veth1            ${h}  on`,
  ])
  t.same(said.slice(12, 20), [
    ` carrier   1/b     veth2            ${h}  off`,
    ` carrier   1/a     veth1            ${h}  off`,
    ` moved     1/b     veth2            ${o}  from ${host.name}`,
    ` renamed   1/b     eth0             ${o}  was veth2`,
    ` moved     1/b     veth2            ${h}  from ${other.name}`,
    ` renamed   1/b     veth2            ${h}  was eth0`,
    ` removed   1/a     veth1            ${h}  device-gone`,
    ` removed   1/b     veth2            ${h}  device-gone`,
  ])
  t.equal(said.length, text.stdout.split('\n').length - 1, 'and nothing more')
})

t.test('without --present only what happens is told, from when the daemon has heard of it', { skip }, async (t) => {
  const rig = await startRig(t, { args: ['--log-level', 'debug'] })
  await rig.must('link add veth1 type veth peer name veth2')
  const watch = monitor(rig, 'monitor')
  await rig.daemon.process.line(/"msg":"event stream opened"/)
  await rig.must('link add veth3 type veth peer name veth4')
  const [first, second] = await lines(watch, 2)
  t.match(first, / {2}added {5}2\/a {5}veth3 /)
  t.match(second, / {2}added {5}2\/b {5}veth4 /)
})

t.test('-n tells of the devices of one namespace, also of those that come and leave', { skip }, async (t) => {
  const rig = await startRig(t)
  const { topology, host, must, vethctl } = rig
  const other = await topology.namespace('t')
  await must(`link add veth1 netns ${other.name} type veth peer name veth2 netns ${host.name}`)
  const watch = new Watch(rig, `-j -n ${other.name} monitor --present`)
  t.match(await watch.next(t, 1), [{ kind: 'added', device: '1/a' }])
  await must('link add veth3 type veth peer name veth4')
  await host.do(`ip link set veth3 netns ${other.name}`)
  t.match(await watch.next(t, 1), [{ kind: 'moved', device: '2/a', from: { netns: host.name } }])
  await must('link del 1/a')
  t.match(await watch.next(t, 1), [{ kind: 'removed', device: '1/a' }])
  await other.do(`ip link set veth3 netns ${host.name}`)
  t.match(await watch.next(t, 1), [{ kind: 'moved', device: '2/a', netns: host.name, from: { netns: other.name } }])
  await must('link del veth3')
  await must(`link add veth5 netns ${other.name} type veth`)
  t.match(await watch.next(t, 2), [
    { kind: 'added', device: '3/a' },
    { kind: 'added', device: '3/b' },
  ])

  const { code, stdout, stderr } = await vethctl('-n nowhere monitor')
  t.same([code, stdout], [255, ''])
  t.match(stderr, /^Cannot open network namespace "nowhere": No such file or directory\n/)
})

t.test('who comes back with the last id that it read gets what it missed', { skip }, async (t) => {
  const { daemon, host, must } = await startRig(t)
  const first = await openStream(t, daemon.socket, {})
  await must('link add veth1 type veth peer name veth2')
  const [added] = await take(first, 2)
  await first.return(undefined)
  await host.do('ip link set veth1 name left')
  await daemon.process.line(/"msg":"device renamed"/)

  const again = await openStream(t, daemon.socket, { lastId: added.id })
  t.match(await take(again, 2), [
    { event: { kind: 'added', device: '1/b' } },
    { event: { kind: 'renamed', was: 'veth1' } },
  ])
  await must('link del left')
  const [, last] = await take(again, 2)
  t.match(last, { event: { kind: 'removed', device: '1/b' } })
  const numbers = [added, last].map(({ id }) => Number(id!.split('-')[1]))
  t.same(numbers, [1, 5], 'ids count the events')

  const upToDate = await openStream(t, daemon.socket, { lastId: last.id })
  t.same(await upToDate.next(), { value: { id: last.id }, done: false }, 'nothing was missed')
})

t.test('who comes back to another daemon is told that it lost something', { skip }, async (t) => {
  const { daemon, must } = await startRig(t)
  await must('link add veth1 type veth peer name veth2')
  await must('link del veth1')
  await must('link add veth3 type veth peer name veth4')
  const lastId = '1000000000000-7'
  const kinds = async (stream: AsyncGenerator<StreamMessage>, count: number) =>
    (await take(stream, count)).map(({ event }) => `${event.kind} ${event.name ?? ''}`.trim())
  t.same(
    await kinds(await openStream(t, daemon.socket, { lastId }), 7),
    ['lost', 'added veth1', 'added veth2', 'removed veth1', 'removed veth2', 'added veth3', 'added veth4'],
    'and what there is to know',
  )
  t.same(
    await kinds(await openStream(t, daemon.socket, { lastId, path: '/v1/events?present=true' }), 3),
    ['lost', 'added veth3', 'added veth4'],
    'or what is there, if that is what it asked for',
  )
})

t.test('what a device does without is told behind it', { skip: skip || missing('python3') }, async (t) => {
  const forbid = ['python3', join(ROOT, 'test/device/harness/forbid.py'), 'bpf']
  const rig = await startRig(t, { launcher: forbid, args: ['--pair', 'veth1,veth2'] })
  const watch = new Watch(rig, '-j monitor --present')
  const pair = (id: number) =>
    ['a', 'b'].flatMap((side) => [
      { kind: 'added', device: `${id}/${side}` },
      { kind: 'degraded', device: `${id}/${side}`, what: 'length filter', why: /EPERM.*dropped without the sender/ },
    ])
  t.match(await watch.next(t, 4), pair(1), 'of what is there')
  await rig.must('link add veth3 type veth peer name veth4')
  t.match(await watch.next(t, 4), pair(2), 'and of what comes')
  t.equal(rig.daemon.log.filter(({ level, msg }) => level === 40 && msg === 'device degraded').length, 4)
})

t.test('it ends well when it is told to, or nobody reads it', { skip }, async (t) => {
  const rig = await startRig(t, { args: ['--pair', 'veth1,veth2'] })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const watch = monitor(rig, 'monitor --present')
    const stdout = `${(await lines(watch, 2)).join('\n')}\n`
    watch.signal(signal)
    t.same(await watch.exit(1000), { code: 0, stdout, stderr: '' }, signal)
  }
  const head = [process.execPath, VETHCTL, '--socket', rig.daemon.socket, 'monitor', '--present']
  const piped = rig.host.start(['bash', '-c', 'set -o pipefail; "$@" | head -n 1', 'bash', ...head])
  await piped.line(/added/)
  // it is told that its reader went when it writes again: head ends behind its first line, at some time
  let gone = false
  const ended = piped.exit(10_000).finally(() => {
    gone = true
  })
  while (!gone) {
    await rig.must('link add veth3 type veth peer name veth4')
    await rig.must('link del veth3')
  }
  t.match(await ended, { code: 0, stderr: '' })
})

t.test('when the daemon ends, however, so does the monitor, and says so', { skip }, async (t) => {
  for (const [signal, code] of [
    ['SIGTERM', 0],
    ['SIGKILL', 137],
  ] as const) {
    const rig = await startRig(t, { args: ['--pair', 'veth1,veth2'] })
    const watch = monitor(rig, '-j monitor --present')
    const stdout = `${(await lines(watch, 2)).join('\n')}\n`
    const ended = rig.daemon.stop(signal)
    const output = await watch.exit(2000)
    t.same([output.code, output.stdout], [1, stdout], signal)
    t.match(output.stderr, /^vethctl: vethd on .* has ended\n$/, signal)
    t.equal((await ended).code, code)
  }
})
