/** `-batch` beside `ip -batch`: the same file, the same complaints, the same exit code, the same devices. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { missing, run, startRig, temporaryFolder } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip')

const FILES: Record<string, string> = {
  'all is well': `
    # two pairs
    link add veth1 type veth peer name veth2   # the first
    link add veth3 mtu \\
      1400 type veth \\
      peer name "veth4"
    link set 'veth1' up
    link del veth3
  `,
  'the second deletion finds the pair gone': `link add veth1 type veth peer name veth2
link add veth3 type veth peer name veth4
link del veth1
link del veth2
link del veth3
`,
  'an unknown object': 'link add veth1 type veth peer name veth2\nfoo\nlink del veth1\n',
  'an address that cannot be read':
    'link add veth1 type veth peer name veth2\nlink set veth1 address x\nlink del veth1\n',
  'no file at all': '',
}

for (const [what, text] of Object.entries(FILES)) {
  t.test(`${what}: done and said as by ip`, { skip }, async (t) => {
    const { topology, host, vethctl } = await startRig(t)
    const kernel = await topology.namespace('k')
    const file = join(await temporaryFolder(topology), 'batch')
    if (text !== '') writeFileSync(file, text)
    for (const force of [[], ['-force']]) {
      const ip = await run(kernel.argv(['ip', ...force, '-batch', file]))
      const ours = await vethctl([...force, '-batch', file])
      const said = ours.stderr.split('\n').filter((line) => !line.startsWith('vethctl: '))
      const expected = ip.stderr.replaceAll('try "ip ', 'try "vethctl ').split('\n')
      t.same([ours.code, said], [ip.code, expected], `${force} ${what}`)
      t.same((await host.devices()).sort(), (await kernel.devices()).sort(), 'the same devices are there')
      for (const [ns, program] of [[kernel, 'ip'] as const, [host, 'vethctl'] as const]) {
        for (const dev of ['veth1', 'veth3']) {
          if (!(await ns.has(dev))) continue
          if (program === 'ip') await ns.do(`ip link del ${dev}`)
          else await vethctl(`link del ${dev}`)
        }
      }
    }
  })
}

t.test('where ip would just end, the line that failed is named, and -force goes on', { skip }, async (t) => {
  const { host, vethctl } = await startRig(t)
  const text =
    'link add veth1 type veth peer name veth2\nlink del veth1\nlink del\nlink foo\nlink add veth3 type veth\n'
  const plain = await vethctl('-b -', text)
  t.equal(plain.code, 1)
  t.match(plain.stderr, /^Not enough information: "dev" .*\nvethctl: .*\nCommand failed -:3\n$/)
  t.same(await host.devices(), [])
  const forced = await vethctl('-force -b -', text)
  t.equal(forced.code, 1)
  t.match(forced.stderr, /Command failed -:3\nCommand "foo" is unknown.*\nvethctl: .*\nCommand failed -:4\n$/)
  t.same((await host.devices()).sort(), ['veth0', 'veth3'])
})

t.test('standard input is a batch too', { skip }, async (t) => {
  const { host, vethctl } = await startRig(t)
  const { code, stderr } = await vethctl('-b -', 'link add veth1 type veth peer name veth2\nlink del x\n')
  t.equal(code, 1)
  t.match(stderr, /Command failed -:2\n$/)
  t.same((await host.devices()).sort(), ['veth1', 'veth2'])
})
