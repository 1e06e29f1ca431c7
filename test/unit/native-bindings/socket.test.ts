/** Sockets that Node does not have. test/device/native.test.ts has the tests that need root. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { native, OWN_NETNS } from '../../../native-bindings/index.js'
import { EAGAIN, EMSGSIZE } from '../../../src/abi/errno.js'
import { ETHTOOL_GLINK } from '../../../src/abi/ethtool.js'
import * as nl from '../../../src/abi/netlink.js'
import { IFLA_IFNAME, RTM_GETLINK, RTM_NEWLINK } from '../../../src/abi/rtnetlink.js'
import { openPipe, temporaryFolder } from './helpers.js'

const n = native()

/**
 * RTM_GETLINK of the device with ifindex 1, lo in every namespace: struct nlmsghdr (16 bytes: length, type and flags,
 * sequence, port) and struct ifinfomsg (16 bytes: family and type, index, flags, change mask).
 */
const getLo = new Uint8Array(Int32Array.of(32, RTM_GETLINK | (nl.NLM_F_REQUEST << 16), 77, 0, 0, 1, 0, 0).buffer)

function openNetlink(t: { teardown(f: () => void): void }): number {
  const fd = n.netlinkOpen(nl.NETLINK_ROUTE, OWN_NETNS)
  t.teardown(() => n.close(fd))
  return fd
}

t.test('a netlink socket asks the kernel and gets its answer', async (t) => {
  const fd = openNetlink(t)
  const answer = new Uint8Array(32768)
  t.same(n.netlinkReceive(fd, answer), { length: -EAGAIN, nsid: -1 }, 'nothing asked, nothing to receive')
  n.netlinkSend(fd, getLo)
  t.ok(n.waitReadable(fd, 1000))
  const { length, nsid } = n.netlinkReceive(fd, answer)
  const view = new DataView(answer.buffer)
  t.equal(view.getUint32(0, true), length, 'one message')
  t.equal(view.getUint16(4, true), RTM_NEWLINK)
  t.equal(view.getUint32(8, true), 77, 'the sequence number of the request')
  t.equal(nsid, -1, 'of the namespace of the socket')
  const name = Buffer.from([IFLA_IFNAME, 0, ...Buffer.from('lo\0')])
  t.ok(Buffer.from(answer.subarray(0, length)).includes(name))
})

t.test('a message longer than the room for it is lost, and said so', async (t) => {
  const fd = openNetlink(t)
  n.netlinkSend(fd, getLo)
  t.same(n.netlinkReceive(fd, new Uint8Array(16)), { length: -EMSGSIZE, nsid: -1 })
  t.equal(n.netlinkReceive(fd, new Uint8Array(16)).length, -EAGAIN)
})

t.test('errors of the kernel come with its own words, and without the request in them', async (t) => {
  const fd = openNetlink(t)
  const getAbsent = getLo.slice()
  getAbsent[23] = 0x7f // ifindex 0x7f000001
  n.netlinkSend(fd, getAbsent)
  const answer = new Uint8Array(4096)
  const { length } = n.netlinkReceive(fd, answer)
  const view = new DataView(answer.buffer)
  t.equal(view.getUint16(4, true), nl.NLMSG_ERROR)
  t.equal(view.getInt32(nl.NLMSGHDR_SIZE, true), -19, 'ENODEV')
  t.ok(view.getUint16(6, true) & nl.NLM_F_CAPPED, 'NETLINK_CAP_ACK is on')
  t.ok(length < 100)
})

// NETLINK_ROUTE lets only root write to the sockets of other processes.
const skip = process.getuid?.() === 0 ? false : 'not root'

t.test('messages of other processes are not taken for the kernel’s', { skip }, async (t) => {
  const fd = openNetlink(t)
  const port = netlinkPort(fd)
  const script = `
import socket
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.sendto(b'\\x10\\0\\0\\0\\x03\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0', (${port}, 0))`
  const [code] = await once(spawn('python3', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit')
  t.equal(code, 0)
  t.ok(n.waitReadable(fd, 1000), 'it has arrived')
  t.equal(n.netlinkReceive(fd, new Uint8Array(64)).length, -EAGAIN)
})

/** The port (nl_pid) the kernel bound a netlink socket to, found by its inode in /proc/net/netlink. */
function netlinkPort(fd: number): number {
  const inode = /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${fd}`))![1]
  const row = readFileSync('/proc/net/netlink', 'utf8')
    .split('\n')
    .find((line) => line.trimEnd().endsWith(` ${inode}`))
  return Number(row!.trim().split(/\s+/)[2])
}

t.test('socket options are set, or refused by name', async (t) => {
  const fd = openNetlink(t)
  n.netlinkSetOption(fd, nl.NETLINK_ADD_MEMBERSHIP, 1)
  n.socketSetReceiveBuffer(fd, 65536)
  t.throws(() => n.netlinkSetOption(fd, 9999, 1), { code: 'ENOPROTOOPT', doing: 'setting netlink option 9999 to 1' })
  t.throws(() => n.netlinkOpen(9999, OWN_NETNS), { code: 'EPROTONOSUPPORT', syscall: 'socket(AF_NETLINK)' })
})

/** A datagram receiver that is not ours: prints what it got, and writes "hello" into each fd that came along. */
const receiver = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0', 1) if sys.argv[1][0] == '@' else sys.argv[1])
print('bound', flush=True)
message, fds, flags, sender = socket.recv_fds(s, 65536, 253)
for fd in fds: os.write(fd, b'hello')
print(message.decode(), len(fds), flush=True)
`

for (const kind of ['path', 'abstract name'] as const) {
  t.test(`a datagram reaches a unix socket by its ${kind}, with file descriptors`, async (t) => {
    const path = kind === 'path' ? join(temporaryFolder(t), 'notify') : `@vethd-test-${process.pid}`
    const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill())
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    t.equal((await lines.next()).value, 'bound')
    const [a, b] = [openPipe(t), openPipe(t)]
    n.unixSendDatagram(path, new TextEncoder().encode('READY=1'), [a, b])
    t.equal((await lines.next()).value, 'READY=1 2')
    for (const pipe of [a, b]) {
      const got = new Uint8Array(8)
      t.equal(n.read(pipe, got), 5)
      t.equal(new TextDecoder().decode(got.subarray(0, 5)), 'hello')
    }
  })
}

t.test('a datagram to nobody, or to a path that fits no address, is an error that names the path', async (t) => {
  const message = new Uint8Array(1)
  t.throws(() => n.unixSendDatagram('/nowhere/at/all', message, []), {
    code: 'ENOENT',
    doing: 'sending to the unix socket "/nowhere/at/all"',
  })
  t.throws(() => n.unixSendDatagram(`@vethd-nobody-${process.pid}`, message, []), { code: 'ECONNREFUSED' })
  t.throws(() => n.unixSendDatagram('x'.repeat(108), message, []), { code: 'ENAMETOOLONG' })
  t.throws(() => n.unixSendDatagram('', message, []), { code: 'EINVAL' })
})

t.test('peerCredentials tells who is at the other end of a unix socket', async (t) => {
  const path = join(temporaryFolder(t), 'control')
  const server = createServer().listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connect(path)
  t.teardown(() => client.destroy())
  const [accepted] = (await once(server, 'connection')) as [Socket & { _handle: { fd: number } }]
  t.teardown(() => accepted.destroy())
  t.same(n.peerCredentials(accepted._handle.fd), { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() })
})

t.test('ethtool fills in its struct, and no byte behind it', async (t) => {
  const memory = Uint32Array.of(ETHTOOL_GLINK, 0, 0x5a5a5a5a)
  n.ethtool(openNetlink(t), Buffer.from('lo'), new Uint8Array(memory.buffer, 0, 8))
  t.same([...memory.subarray(1)], [1, 0x5a5a5a5a], 'lo has link')
})

t.test('ethtool says which command of which device failed', async (t) => {
  const socket = openNetlink(t)
  const command = new Uint8Array(Uint32Array.of(ETHTOOL_GLINK, 0).buffer)
  t.throws(() => n.ethtool(socket, Buffer.from('absent0'), command), {
    code: 'ENODEV',
    doing: 'ethtool command 0xa of "absent0"',
  })
  t.throws(() => n.ethtool(socket, Buffer.from('a-name-of-twenty-one'), command), { code: 'ENODEV' })
})
