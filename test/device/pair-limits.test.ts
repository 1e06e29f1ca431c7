/**
 * A process that can open no more files: what it was asked for fails with a clear error or is made up for later, and
 * nothing is lost.
 *
 * Invariant: the limit is lowered and raised by a process that was started before, since none can be started without files.
 */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { type ClosedReason, openPair } from 'vethd'
import { missing, type Namespace, Topology } from './harness/topology.js'

t.setTimeout(60_000)
const skip = missing('ip', 'prlimit')

/** Runs `act` while this process can open no file. */
async function withoutFiles<T>(topology: Topology, act: () => T | Promise<T>): Promise<T> {
  const limit = (words: string) => `prlimit --pid ${process.pid} --nofile=${words}`
  const now = `$(prlimit --pid ${process.pid} --nofile --output SOFT --noheadings --raw)`
  // 3 alone would do, but for a gap among the numbers that are taken
  const shell = topology.start([
    'sh',
    '-c',
    `was=${now}; ${limit('3:')} && echo low; read _; ${limit('$was:')} && echo back`,
  ])
  await shell.line(/low/)
  try {
    return await act()
  } finally {
    shell.feed('\n')
    await shell.line(/back/)
  }
}

async function opened(topology: Topology, left: Namespace, right: Namespace) {
  const pair = await openPair({ a: { name: 'veth1', netns: left.name }, b: { name: 'veth2', netns: right.name } })
  const closed = new Promise<ClosedReason>((resolve) => pair.once('closed', resolve))
  topology.defer(() => void pair.close())
  return { pair, closed }
}

t.test('a pair that is closed while no file can be opened goes all the same, and is told', { skip }, async (t) => {
  const topology = Topology.of(t)
  const [left, right] = [await topology.namespace('left'), await topology.namespace('right')]
  const files = readdirSync('/proc/self/fd').length
  const { pair, closed } = await opened(topology, left, right)
  await withoutFiles(topology, () => pair.close())
  t.equal(await closed, 'asked')
  t.same([await left.devices(), await right.devices()], [[], []])
  t.equal(readdirSync('/proc/self/fd').length, files, 'no file is left open')
})
