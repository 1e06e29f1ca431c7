/**
 * If io_uring is forbidden, `--engine auto` takes the poll engine, says so, and carries traffic, and `--engine uring`
 * fails. If the poll engine has no asynchronous I/O either, it says so too.
 */
import { join } from 'node:path'
import t from 'tap'
import { ROOT, startDaemon } from './harness/daemon.js'
import { DEADLINE_MS, missing, Topology } from './harness/topology.js'
import { ping } from './harness/traffic.js'

const FORBID = join(ROOT, 'test/device/harness/forbid.py')

t.setTimeout(DEADLINE_MS)
const skip = missing('ip', 'ping', 'python3')

t.test('with io_uring forbidden by seccomp', { skip }, async (t) => {
  const topology = Topology.of(t)
  const host = await topology.namespace('host')
  const guest = await topology.namespace('guest')
  const launcher = ['python3', FORBID, 'io_uring_setup']
  const daemon = await startDaemon(topology, host, { launcher })

  await t.test('the log names the poll engine and why', async (t) => {
    const said = daemon.log.map((line) => JSON.stringify(line)).filter((line) => /poll/.test(line))
    t.ok(
      said.some((line) => /io_uring.*EPERM|EPERM.*io_uring/.test(line)),
      said.join('\n'),
    )
  })

  await t.test('vethctl doctor says the same', async (t) => {
    const { stdout } = await daemon.vethctl('doctor')
    t.match(stdout, /engine.*poll/)
    t.match(stdout, /io_uring.*EPERM/)
  })

  await t.test('a pair carries traffic', async () => {
    await daemon.must('link add veth1 type veth peer name veth2')
    await daemon.must(`link set veth1 netns ${guest.name}`)
    await daemon.must(`-n ${guest.name} link set veth1 up`)
    await daemon.must('link set veth2 up')
    await guest.do('ip addr add 10.9.0.1/24 dev veth1')
    await host.do('ip addr add 10.9.0.2/24 dev veth2')
    await ping(guest, '10.9.0.2')
  })

  await t.test('--engine uring is refused with the reason', async (t) => {
    await t.rejects(startDaemon(topology, host, { engine: 'uring', launcher }), /io_uring.*EPERM|EPERM.*io_uring/s)
  })
})

t.test(
  'without a context of asynchronous I/O the log and vethctl doctor say that the poll engine is slower',
  { skip },
  async (t) => {
    const topology = Topology.of(t)
    const host = await topology.namespace('host')
    const daemon = await startDaemon(topology, host, { launcher: ['python3', FORBID, 'io_setup'], engine: 'poll' })
    const why = 'io_setup: EAGAIN, fs.aio-max-nr is used up'
    const warnings = daemon.log.filter(({ level }) => level === 40)
    t.match(warnings, [{ msg: 'the engine runs slower than it could', engine: 'poll' }])
    t.match(warnings[0]?.reason, why)
    t.match(daemon.log.at(-1), { msg: 'ready' })
    t.match(daemon.log.at(-1)?.reason, why)
    t.match((await daemon.vethctl('doctor')).stdout, new RegExp(`^engine +poll: asked for; .*${why}`, 'm'))
  },
)
