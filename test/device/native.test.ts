/**
 * The addon on real TAP devices. Neighbours: native-netns.test.ts, native-bpf.test.ts. test/unit/native-bindings has
 * the tests that need no root.
 *
 * Invariant: every device lives in a nameless network namespace of its own test, so nothing is left when it closes.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { native, OWN_NETNS } from '../../native-bindings/index.js'
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO } from '../../src/abi/errno.js'
import { ETHTOOL_DRVINFO_DRIVER, ETHTOOL_DRVINFO_SIZE, ETHTOOL_GDRVINFO } from '../../src/abi/ethtool.js'
import * as tun from '../../src/abi/if-tun.js'
import { EPOLLERR, EPOLLIN } from '../../src/abi/poll.js'
import { bringUpSilently, frame, Nursery, sendFrames, statsOf, TAP } from './native-nursery.js'

const n = native()
const bytes = (name: string) => Uint8Array.from(Buffer.from(name))

t.test('tapOpen makes a device with the name and flags asked for, in the namespace asked for', async (t) => {
  const nursery = new Nursery(t)
  const device = nursery.open(t, 'tap7')
  t.same(n.tapGetInterface(device.fd), { name: bytes('tap7'), flags: TAP })
  t.ok(nursery.link('tap7').ifindex > 1)
  t.throws(() => execFileSync('ip', ['link', 'show', 'tap7'], { stdio: 'ignore' }), 'and not where the process is')
})

t.test('an empty name and a pattern get the next free name', async (t) => {
  const nursery = new Nursery(t)
  t.same(n.tapGetInterface(nursery.open(t, '').fd).name, bytes('tap0'))
  t.same(n.tapGetInterface(nursery.open(t, 'v%d').fd).name, bytes('v0'))
  t.same(n.tapGetInterface(nursery.open(t, 'v%d').fd).name, bytes('v1'))
})

t.test('a name that is taken, too long or not a name is refused, and said which', async (t) => {
  const nursery = new Nursery(t)
  nursery.open(t, 'taken', TAP | tun.IFF_TUN_EXCL)
  t.throws(() => nursery.open(t, 'taken', TAP | tun.IFF_TUN_EXCL), {
    message: 'EBUSY: Device or resource busy, ioctl(TUNSETIFF), opening the TAP device "taken"',
    code: 'EBUSY',
    errno: -16,
    syscall: 'ioctl(TUNSETIFF)',
    doing: 'opening the TAP device "taken"',
  })
  n.tapGetInterface(nursery.open(t, 'a'.repeat(15)).fd)
  t.throws(() => nursery.open(t, 'a'.repeat(16)), { code: 'ENAMETOOLONG', doing: /a name of 16 bytes/ })
  t.throws(() => nursery.open(t, 'a/b'), { code: 'EINVAL' })
})

t.test('tapGetFeatures says what the driver can do', async (t) => {
  const nursery = new Nursery(t)
  const features = n.tapGetFeatures(nursery.open(t, 'f').fd)
  for (const flag of [tun.IFF_TAP, tun.IFF_NO_PI, tun.IFF_VNET_HDR, tun.IFF_MULTI_QUEUE]) t.ok(features & flag)
})

t.test('the vnet header has the size that was set', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'v')
  bringUpSilently(nursery, 'v')
  sendFrames(nursery, 'v', 4)
  const read = () => n.read(fd, new Uint8Array(100))
  const plain = read() - 10
  for (const bytes of [12, 20, 10]) {
    n.tapSetVnetHdrSize(fd, bytes)
    t.equal(read(), bytes + plain)
  }
  t.throws(() => n.tapSetVnetHdrSize(fd, 9), {
    code: 'EINVAL',
    doing: `setting the vnet header of TAP fd ${fd} to 9 bytes`,
  })
})

t.test('offloads are accepted bit by bit, and an unknown bit is EINVAL', async (t) => {
  const { fd } = new Nursery(t).open(t, 'o')
  n.tapSetOffload(fd, tun.TUN_F_CSUM | tun.TUN_F_TSO4 | tun.TUN_F_TSO6 | tun.TUN_F_TSO_ECN)
  n.tapSetOffload(fd, 0)
  t.throws(() => n.tapSetOffload(fd, 0x80000001), {
    code: 'EINVAL',
    errno: -EINVAL,
    doing: `setting the offloads of TAP fd ${fd} to 0x80000001`,
  })
})

t.test('carrier is what ip shows', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'c')
  nursery.ip('link', 'set', 'c', 'up')
  t.ok(nursery.link('c').flags.includes('LOWER_UP'))
  n.tapSetCarrier(fd, false)
  const flags = nursery.link('c').flags
  t.ok(flags.includes('NO-CARRIER'))
  t.notOk(flags.includes('LOWER_UP'))
  n.tapSetCarrier(fd, true)
  t.ok(nursery.link('c').flags.includes('LOWER_UP'))
})

t.test('an fd follows its device when that is renamed', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'before')
  nursery.ip('link', 'set', 'before', 'name', 'after')
  t.same(n.tapGetInterface(fd).name, bytes('after'))
})

t.test('frames go out and come in through read, write and batches; an idle device reads EAGAIN', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'rw')
  const into = new Uint8Array(256)
  t.equal(n.write(fd, frame), -EIO, 'down')
  t.equal(n.read(fd, into), -EAGAIN, 'down')
  bringUpSilently(nursery, 'rw')
  t.equal(n.read(fd, into), -EAGAIN)
  t.equal(n.write(fd, frame), frame.length)
  t.equal(n.write(fd, frame.subarray(0, 9)), -EINVAL, 'shorter than the vnet header')
  t.equal(statsOf(nursery, 'rw').rx.packets, 1)

  sendFrames(nursery, 'rw', 3)
  t.equal(n.read(fd, into), frame.length)
  t.same([...into.subarray(0, frame.length)], [...frame])
  const slab = new ArrayBuffer(4096)
  const ops = Int32Array.from([0, 1, 2, 3].flatMap((i) => [0, fd, 1024 * i, 1024]))
  n.ioBatch(slab, ops, 4, 0)
  t.same([ops[3], ops[7], ops[11], ops[15]], [frame.length, frame.length, -EAGAIN, -EAGAIN])
  t.same([...new Uint8Array(slab, 1024, frame.length)], [...frame])
})

t.test('a deleted device is EBADFD to every call, and an error to whoever waits', async (t) => {
  const nursery = new Nursery(t)
  const { fd } = nursery.open(t, 'gone')
  const epoll = n.epollCreate()
  t.teardown(() => n.close(epoll))
  n.epollAdd(epoll, fd, EPOLLIN, 9)
  const reported = new Promise<number[]>((done) => {
    const watcher = n.watch(fd, 1, (...call) => {
      watcher.close()
      done(call)
    })
  })
  nursery.ip('link', 'del', 'gone')

  t.throws(() => n.tapGetInterface(fd), { code: 'EBADFD', errno: -EBADFD, syscall: 'ioctl(TUNGETIFF)' })
  t.equal(n.read(fd, new Uint8Array(64)), -EBADFD)
  t.equal(n.write(fd, frame), -EBADFD)
  const out = new Int32Array(2)
  t.equal(n.epollWait(epoll, out, 1000), 1)
  t.equal(out[0], 9)
  t.ok(out[1] & EPOLLERR)
  t.ok(n.waitReadable(fd, 1000))
  t.same(await reported, [0, -EBADF], 'POLLERR, as libuv says it')
})

t.test('ethtool asks the driver', async (t) => {
  const nursery = new Nursery(t)
  nursery.open(t, 'e')
  const command = new Uint8Array(ETHTOOL_DRVINFO_SIZE)
  new DataView(command.buffer).setUint32(0, ETHTOOL_GDRVINFO, true)
  const [inside, outside] = [nursery.fd, OWN_NETNS].map((netns) => {
    const socket = n.netlinkOpen(0, netns)
    t.teardown(() => n.close(socket))
    return socket
  })
  n.ethtool(inside, bytes('e'), command)
  const driver = Buffer.from(command.subarray(ETHTOOL_DRVINFO_DRIVER, ETHTOOL_DRVINFO_DRIVER + 32)).toString()
  t.equal(driver.replaceAll('\0', ''), 'tun')
  t.throws(() => n.ethtool(outside, bytes('e'), command), { code: 'ENODEV' }, 'in the namespace of the socket')
})
