/** File descriptors in the event loop: when the callback is called, when it no longer is, and the order of closing. */
import { once } from 'node:events'
import t from 'tap'
import { native, type Watcher } from '../../../native-bindings/index.js'
import { openPipe, runProgram, startWorker } from './helpers.js'

const n = native()
const READABLE = 1
const WRITABLE = 2

/** The next turn of the event loop, after its poll phase. */
const turn = () => new Promise((next) => setImmediate(next))

function openEventfd(t: { teardown(f: () => void): void }): number {
  const fd = n.eventfd()
  t.teardown(() => n.close(fd))
  return fd
}

t.test('a watch calls back while its fd is readable, and never after close', async (t) => {
  const fd = openEventfd(t)
  const calls: number[][] = []
  const watcher = n.watch(fd, READABLE, (...call) => calls.push(call))
  await turn()
  t.same(calls, [], 'nothing to read yet')
  n.eventfdSignal(fd)
  await turn()
  await turn()
  t.ok(calls.length >= 1)
  t.same(calls[0], [READABLE, 0])
  watcher.close()
  calls.length = 0
  await turn()
  await turn()
  t.same(calls, [], 'still readable, but closed')
  watcher.close()
  watcher.ref()
  watcher.unref()
  t.pass('a closed watcher takes every call')
})

t.test('a watch tells readable from writable', async (t) => {
  const pipe = openPipe(t)
  const seen = await new Promise<number>((done) => {
    const watcher = n.watch(pipe, READABLE | WRITABLE, (events) => {
      watcher.close()
      done(events)
    })
  })
  t.equal(seen, WRITABLE)
})

t.test('a watcher may close itself in its callback, and the fd may be watched again at once', async (t) => {
  const fd = openEventfd(t)
  n.eventfdSignal(fd)
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((done) => {
      const watcher: Watcher = n.watch(fd, READABLE, () => {
        watcher.close()
        done()
      })
    })
  }
  t.pass()
})

t.test('an fd that is watched already is refused', async (t) => {
  const fd = openEventfd(t)
  const watcher = n.watch(fd, READABLE, () => {})
  t.teardown(watcher.close)
  t.throws(() => n.watch(fd, READABLE, () => {}), { code: 'EEXIST', syscall: 'uv_poll_init' })
})

t.test('a watcher that nobody holds goes on watching', async (t) => {
  const ending = await runProgram(`
    import { collectUntil } from '${new URL('helpers.js', import.meta.url).href}'
    const fd = n.eventfd()
    let collected = false
    const registry = new FinalizationRegistry(() => { collected = true })
    registry.register(n.watch(fd, 1, () => { console.log('event'); process.exit() }), null)
    console.log(await collectUntil(() => collected) ? 'collected' : 'held')
    n.eventfdSignal(fd)`)
  t.same(ending, { code: 0, stdout: 'collected\nevent\n', stderr: '' })
})

t.test('what the callback throws is an uncaught exception', async (t) => {
  const ending = await runProgram(`
    const fd = n.eventfd()
    n.eventfdSignal(fd)
    n.watch(fd, 1, () => { throw new Error('from the callback') })`)
  t.equal(ending.code, 1)
  t.match(ending.stderr, /Error: from the callback/)
})

t.test('an uncaught exception of the callback can be handled, and the watch goes on', async (t) => {
  const ending = await runProgram(`
    const fd = n.eventfd()
    n.eventfdSignal(fd)
    let calls = 0
    process.on('uncaughtException', (error) => console.log(error.message))
    const watcher = n.watch(fd, 1, () => { if (++calls === 2) watcher.close(); throw new Error('call ' + calls) })`)
  t.same(ending, { code: 0, stdout: 'call 1\ncall 2\n', stderr: '' })
})

t.test('promises and next ticks of a callback run before the next callback of the same poll', async (t) => {
  const ending = await runProgram(`
    const follow = (name) => {
      const fd = n.eventfd()
      n.eventfdSignal(fd)
      const watcher = n.watch(fd, 1, () => {
        console.log('call', name)
        process.nextTick(() => console.log('tick', name))
        Promise.resolve().then(() => console.log('promise', name))
        watcher.close()
      })
    }
    follow('a')
    follow('b')`)
  const rest = (name: string) => `call ${name}\ntick ${name}\npromise ${name}\n`
  t.ok([rest('a') + rest('b'), rest('b') + rest('a')].includes(ending.stdout), ending.stdout)
})

t.test('a watch keeps the process alive unless it is unreferenced', async (t) => {
  const ending = await runProgram(`
    const watcher = n.watch(n.eventfd(), 1, () => {})
    watcher.unref()
    watcher.ref()
    setTimeout(() => { console.log('alive'); watcher.unref() }, 20)`)
  t.same(ending, { code: 0, stdout: 'alive\n', stderr: '' })
})

t.test('process.exit ends a process that watches', async (t) => {
  const ending = await runProgram('n.watch(n.eventfd(), 1, () => {}); process.exit(7)')
  t.same(ending, { code: 7, stdout: '', stderr: '' })
})

t.test(
  'the addon works in several workers while the main thread has it, and their watches end with them',
  async (t) => {
    const source = `
    const fd = n.eventfd()
    n.watch(fd, 1, () => { n.eventfdClear(fd); parentPort.postMessage('woken') })
    parentPort.postMessage(fd)`
    const workers = [1, 2, 3].map(() => startWorker(t, source))
    const fds = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number))
    for (const [i, worker] of workers.entries()) {
      const message = once(worker, 'message')
      n.eventfdSignal(fds[i])
      t.same(await message, ['woken'], 'a signal from the main thread wakes the worker')
      await worker.terminate()
      n.close(fds[i])
    }
  },
)
