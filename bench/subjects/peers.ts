/** Other programs that join two TAP devices: socat, VDE's switch, and the loop that a Node user would write. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../../test/device/harness/processes.js'
import type { Namespace } from '../../test/device/harness/topology.js'
import { LEFT, RIGHT, type Subject } from './subject.js'

const NODE_LOOP = join(dirname(fileURLToPath(import.meta.url)), '../node-loop.js')

/** Node cannot create a TAP device. This opens both, with blocking descriptors as fs expects, and then execs node. */
const OPEN_TAPS = `
import fcntl, os, struct, sys
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
fds = []
for name in sys.argv[1:3]:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    os.set_inheritable(fd, True)
    fds.append(str(fd))
os.execv(sys.argv[3], sys.argv[3:] + fds)`

const bothIn = (host: Namespace) =>
  until('two devices', async () => (await host.has(LEFT)) && (await host.has(RIGHT)), 10_000)

export const socat: Subject = {
  name: 'socat',
  title: 'socat',
  needs: ['socat'],
  join: async (_, host) => {
    const tap = (name: string) => `TUN,tun-type=tap,tun-name=${name},iff-no-pi`
    const relay = host.start(['socat', tap(LEFT), tap(RIGHT)])
    await bothIn(host)
    return { pids: [relay.pid] }
  },
}

/** A switch and a plug for each device: three processes, joined by Unix sockets. */
export const vde: Subject = {
  name: 'vde',
  title: 'VDE',
  needs: ['vde_switch', 'vde_plug2tap'],
  join: async (topology, host) => {
    const folder = mkdtempSync(join(tmpdir(), 'vethd-bench-'))
    topology.defer(() => rmSync(folder, { recursive: true, force: true }))
    const sock = join(folder, 'switch')
    const relay = host.start(['vde_switch', '-s', sock])
    await until('the switch', () => host.run(['test', '-S', join(sock, 'ctl')]).then(({ code }) => code === 0))
    const plugs = [LEFT, RIGHT].map((name) => host.start(['vde_plug2tap', '-s', sock, name]))
    await bothIn(host)
    return { pids: [relay, ...plugs].map(({ pid }) => pid) }
  },
}

export const nodeLoop: Subject = {
  name: 'node-loop',
  title: 'Node fs loop',
  needs: ['python3'],
  join: async (_, host) => {
    const loop = host.start(['python3', '-c', OPEN_TAPS, LEFT, RIGHT, process.execPath, NODE_LOOP])
    await loop.line(/^ready/m)
    return { pids: [loop.pid] }
  },
}
