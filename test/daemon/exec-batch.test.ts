/**
 * `ip -batch` through `vethctl exec`: the same files run plainly with kernel veth and through exec. Output, exit code
 * and devices are the same, whether `ip` or vethd carries out a line.
 *
 * Neighbour: exec.test.ts has all the rest of exec.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../device/harness/processes.js'
import type { Namespace } from '../device/harness/topology.js'
import { besideKernel, ipsWords, startExecRig } from './exec-harness.js'
import { missing, run, temporaryFolder, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'bash')

const FILES: Record<string, string> = {
  'all is well': `
    # pairs and other things
    link add veth1 type veth peer name veth2   # the first

    link set 'veth1' up
    link add br0 type bridge
    link add veth3 mtu \\
      1400 ty veth \\
      peer name "veth4"
    link set veth3 master br0
    addr add 192.0.2.1/24 dev br0
  `,
  'no pair at all': 'link add br0 type bridge\nlink set br0 up\nlink show nope\nlink del br0\n',
  'the word veth, and no pair': 'link add veth1 type bridge # type veth\nlink show type veth\nlink del veth9\n',
  "ip's line fails before a pair": 'link set nope up\nlink add veth1 type veth\n',
  "ip's line fails between pairs": `link add veth1 type veth peer name veth2

link set veth1 \\
  up
addr add 192.0.2.1/24 dev nope
link add veth3 type veth peer name veth4
link set nope up
`,
  'a pair fails, and another': `link add veth1 type veth peer name veth2
link set veth1 up
link add veth1 type veth
link add veth3 type veth peer name veth4
link add veth5 type veth peer name veth4
link add br0 type bridge`,
  'a wrong argument of a pair ends ip':
    'link add veth1 type veth\nlink add veth2 mtu x type veth\nlink add veth3 type veth\n',
  'a wrong argument of another line ends ip':
    'link add veth1 type veth\nlink set veth1 mtu x\nlink add veth3 type veth\n',
  'an unknown object': 'link add veth1 type veth peer name veth2\nfoo\nlink del veth1\n',
  'a quote without an end': 'link add veth1 type veth peer name veth2\nlink show "veth1\nlink del veth1\n',
  'a continuation without an end': 'link add veth1 type veth peer name veth2\nlink set veth1 up \\\n',
  'lines that show':
    'link add veth1 type veth peer name veth2\nneigh show\nlink show lo\nlink add veth3 type veth\nlink show lo\n',
  'namespaces are named':
    'link add veth1 type veth peer name veth2\nlink add x type veth peer name y netns no.such\nlink del veth1\n',
  'a command in a namespace':
    'link add veth1 type veth\nnetns exec NS ip link add veth2 type veth\nlink show dev veth3\n',
}

/** The devices with what is the same for a TAP and a veth. */
async function devices(ns: Namespace): Promise<string[]> {
  const links = JSON.parse(await ns.do('ip -j link show')) as { ifname: string; mtu: number; master?: string }[]
  return links.map(({ ifname, mtu, master }) => `${ifname} ${mtu} ${master}`).sort()
}

/** How a batch is given to ip. A named pipe can be read only once. */
const WAYS: { force?: true; from: 'file' | 'stdin' | 'pipe' }[] = [
  { from: 'file' },
  { from: 'file', force: true },
  { from: 'stdin' },
  { from: 'pipe', force: true },
]

t.test('a batch is done and said as by ip', { skip }, async (t) => {
  const rig = await startExecRig(t)
  const folder = await temporaryFolder(rig.topology)
  const [file, pipe] = [join(folder, 'batch'), join(folder, 'pipe')]
  await run(['mkfifo', pipe])
  for (const [what, text] of Object.entries(FILES)) {
    for (const { force, from } of WAYS) {
      const { kernel, ours } = await besideKernel(rig, (ns) => {
        writeFileSync(file, text.replace('NS', ns.name))
        const ip = ['ip', ...(force ? ['-force'] : []), '-o', '-batch']
        if (from === 'file') return [...ip, file]
        if (from === 'stdin') return ['sh', '-c', 'cat "$0" | "$@" -', file, ...ip]
        return ['sh', '-c', 'cat "$0" >"$1" & file=$1; shift; "$@" "$file"', file, pipe, ...ip]
      })
      const how = `${what}, from a ${from}${force ? ', -force' : ''}`
      t.same(ipsWords(ours), ipsWords(kernel), how)
      t.same(await devices(rig.host), await devices(rig.kernel), how)
      await Promise.all([rig.kernel, rig.host].map(empty))
    }
  }
})

async function empty(ns: Namespace): Promise<void> {
  const names = await ns.devices()
  await ns.run('ip -force -batch -', names.map((name) => `link del ${name}\n`).join(''))
  await until(`${ns.name} to be empty`, async () => (await ns.devices()).length === 0)
}

t.test('options before -batch hold for every line', { skip }, async (t) => {
  const rig = await startExecRig(t)
  const text =
    'link add veth1 type veth peer name veth2\nlink show lo\nlink add veth3 type veth peer name veth4\nlink show lo\n'
  const { kernel, ours } = await besideKernel(rig, (ns) => ['ip', '-n', ns.name, '-br', '-j', '-b', '-'], text)
  t.same(ours, kernel)
  t.same((await rig.host.devices()).sort(), ['veth1', 'veth2', 'veth3', 'veth4'])
  const nowhere = await besideKernel(rig, () => ['ip', '-n', 'no.such', '-b', '-'], text)
  t.same(ipsWords(nowhere.ours), ipsWords(nowhere.kernel))
})

t.test('lines of stdin are obeyed as they come', { skip }, async (t) => {
  const { host, daemon } = await startExecRig(t)
  const batch = host.start([process.execPath, VETHCTL, '--socket', daemon.socket, 'exec', '--', 'ip', '-o', '-b', '-'])
  batch.feed('link add veth1 type veth peer name veth2\n', true)
  await until('the pair', () => host.has('veth2'))
  batch.feed('link show veth2\n', true)
  await batch.line(/^\d+: veth2:/m)
  batch.feed('link add veth3 type veth peer name veth4\n', true)
  await until('the second pair', () => host.has('veth4'))
  batch.feed('link set nope up\n', true)
  const { code, stderr } = await batch.exit()
  t.same([code, stderr], [1, 'Cannot find device "nope"\nCommand failed -:4\n'], 'and it ends where one fails')
})
