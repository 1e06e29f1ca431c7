/** Invalid arguments, and the members of errors: a TypeError names the argument, a system error names its errno. */
import t from 'tap'
import { native } from '../../../native-bindings/index.js'

const n = native()

/** Lets a test hand over what the types forbid. */
const anything = (value: unknown) => value as never

t.test('a TypeError says which argument of which function must be what', async (t) => {
  const cases: [() => unknown, string][] = [
    [() => n.close(anything('3')), 'close: "fd" must be a signed 32-bit integer'],
    [() => n.close(1.5), 'close: "fd" must be a signed 32-bit integer'],
    [() => n.close(2 ** 31), 'close: "fd" must be a signed 32-bit integer'],
    [() => n.close(Number.NaN), 'close: "fd" must be a signed 32-bit integer'],
    [() => n.tapOpen(anything(7), 0, -1), 'tapOpen: "name" must be a string'],
    [() => n.tapOpen('a\0b', 0, -1), 'tapOpen: "name" must be a string without NUL bytes'],
    [() => n.tapOpen('a', 0x10000, -1), 'tapOpen: "flags" must be a mask of the 16 bits that ifr_flags holds'],
    [() => n.tapSetCarrier(0, anything(1)), 'tapSetCarrier: "on" must be a boolean'],
    [() => n.tapSetOffload(0, 2 ** 32), 'tapSetOffload: "mask" must be a 32-bit integer'],
    [() => n.read(0, anything(new Uint16Array(1))), 'read: "into" must be a Uint8Array'],
    [() => n.write(0, anything('text')), 'write: "from" must be a Uint8Array'],
    [() => n.ioBatch(anything(new Uint8Array(8)), new Int32Array(4), 1, 0), 'ioBatch: "slab" must be an ArrayBuffer'],
    [() => n.ioBatch(new ArrayBuffer(8), anything([0]), 1, 0), 'ioBatch: "ops" must be an Int32Array'],
    [
      () => n.ioBatch(new ArrayBuffer(8), new Int32Array(7), 2, 0),
      'ioBatch: "count" must be no more than the operations given',
    ],
    [() => n.ioBatch(new ArrayBuffer(8), new Int32Array(4), 1, -1), 'ioBatch: "aio" must be an address, or 0'],
    [() => n.uringEnter(0, -1, 0, 0), 'uringEnter: "toSubmit" must be an unsigned 32-bit integer'],
    [() => n.uringClose(anything({})), 'uringClose: "mapping" must be what uringSetup returned'],
    [() => n.slabCreate(0), 'slabCreate: "bytes" must be a number of bytes, at least 1'],
    [() => n.watch(0, 1, anything(null)), 'watch: "onEvents" must be a function'],
    [
      () => n.unixSendDatagram('x', new Uint8Array(1), anything(3)),
      'unixSendDatagram: "fds" must be an array of at most 253 file descriptors',
    ],
    [
      () => n.unixSendDatagram('x', new Uint8Array(1), Array(254).fill(0)),
      'unixSendDatagram: "fds" must be an array of at most 253 file descriptors',
    ],
    [
      () => n.unixSendDatagram('x', new Uint8Array(1), anything(['0'])),
      'unixSendDatagram: "fds" must be an array of file descriptors',
    ],
    [() => n.ethtool(0, Buffer.from('lo'), new Uint8Array(3)), 'ethtool: "command" must be a struct ethtool_*'],
    [
      () => n.bpfLoadProgram(1, new Uint8Array(9), 'MIT', 'x'),
      'bpfLoadProgram: "instructions" must be a multiple of 8 bytes',
    ],
  ]
  for (const [call, message] of cases) t.throws(call, { name: 'TypeError', message }, message)
})

t.test('a failing system call throws an Error with code, errno, syscall and what was being done', async (t) => {
  t.throws(() => n.close(-1), {
    name: 'Error',
    message: 'EBADF: Bad file descriptor, close, closing fd -1',
    code: 'EBADF',
    errno: -9,
    syscall: 'close',
    doing: 'closing fd -1',
  })
})

/** No process has this many; io_uring_register(2) gives -1 a meaning of its own. */
const noFd = 2 ** 30

t.test('every function that takes an fd reports a bad one as EBADF', async (t) => {
  const bytes = new Uint8Array(8)
  const calls: (() => unknown)[] = [
    () => n.duplicate(noFd),
    () => n.waitReadable(noFd, 0),
    () => n.eventfdSignal(noFd),
    () => n.eventfdClear(noFd),
    () => n.tapGetInterface(noFd),
    () => n.tapGetFeatures(noFd),
    () => n.tapSetVnetHdrSize(noFd, 12),
    () => n.tapSetOffload(noFd, 0),
    () => n.tapSetCarrier(noFd, true),
    () => n.tapGetNetns(noFd),
    () => n.tapSetFilter(noFd, -1),
    () => n.watch(noFd, 1, () => {}),
    () => n.uringRegisterFilesSparse(noFd, 1),
    () => n.uringUpdateFile(noFd, 0, -1),
    () => n.epollAdd(noFd, 0, 1, 0),
    () => n.epollRemove(noFd, 0),
    () => n.netlinkSetOption(noFd, 1, 1),
    () => n.socketSetReceiveBuffer(noFd, 4096),
    () => n.netlinkSend(noFd, bytes),
    () => n.netnsOpenBelow(noFd, '/'),
    () => n.netnsOpenOfProcess(noFd, '1'),
    () => n.netnsReopen(noFd),
    () => n.peerCredentials(noFd),
    () => n.peerPidfd(noFd),
    () => n.pidfdGetFd(noFd, 0),
    () => n.pidfdGetNetns(noFd),
    () => n.bpfMapMemory(noFd, 8),
    () => n.unixSendDatagram('/nowhere', bytes, [noFd]),
  ]
  for (const call of calls) t.throws(call, { code: 'EBADF', errno: -9 }, call.toString())
})

t.test('the calls of the hot path return errnos instead of throwing them', async (t) => {
  const bytes = new Uint8Array(8)
  t.equal(n.read(-1, bytes), -9)
  t.equal(n.write(-1, bytes), -9)
  t.equal(n.uringEnter(-1, 0, 0, 0), -9)
  t.equal(n.epollWait(-1, new Int32Array(2), 0), -9)
  t.same(n.netlinkReceive(-1, bytes), { length: -9, nsid: -1 })
})
