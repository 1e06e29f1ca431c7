/** `-batch` compared with `ip -batch`: the same file gives the same errors, exit code and devices. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { joinRig, missing, run, temporaryFolder } from './harness.js'

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
  'wrong words behind a failure':
    'link set nope up\nlink add x index 0 type veth\nlink add veth1 type veth peer name veth2\n',
  'wrong words behind deletions': `link add veth1 type veth peer name veth2
link del veth1
link del veth1
link del
link add veth1 type veth peer name veth2
`,
  'a namespace that there is not': 'link add x netns no.such type veth\nlink add veth1 type veth peer name veth2\n',
  'a quote without an end': 'link add veth1 type veth peer name veth2\nlink set "x up\nlink del veth1\n',
  'no file at all': '',
}

t.test('a batch is done and said as by ip', { skip }, async (t) => {
  const { topology, host, inProcess } = await joinRig(t)
  const kernel = await topology.namespace('k')
  const folder = await temporaryFolder(topology)
  for (const [what, text] of Object.entries(FILES)) {
    const file = join(folder, what)
    if (text !== '') writeFileSync(file, text)
    for (const force of [[], ['-force']]) {
      const ip = await run(kernel.argv(['ip', ...force, '-batch', file]))
      const ours = await inProcess([...force, '-batch', file])
      const said = ours.stderr.split('\n').filter((line) => !line.startsWith('vethctl: '))
      // invarg() ends some of its texts with two new lines
      const expected = ip.stderr.replaceAll('try "ip ', 'try "vethctl ').replaceAll('\n\n', '\n').split('\n')
      t.same([ours.code, said], [ip.code, expected], `${force} ${what}`)
      t.same((await host.devices()).sort(), (await kernel.devices()).sort(), 'the same devices are there')
      for (const dev of ['veth1', 'veth3', 'x']) {
        if (!(await host.has(dev))) continue
        await kernel.do(`ip link del ${dev}`)
        t.equal((await inProcess(`link del ${dev}`)).code, 0)
      }
    }
  }
})

t.test('where ip would just end, the line at which it ends is named', { skip }, async (t) => {
  const { host, vethctl } = await joinRig(t)
  const text = 'link add veth1 type veth peer name veth2\nlink del veth1\nlink foo\nlink add veth3 type veth\n'
  for (const force of ['', '-force ']) {
    const { code, stderr } = await vethctl(`${force}-b -`, text)
    t.equal(code, 255)
    t.match(stderr, /^Command "foo" is unknown.*\nvethctl: .*\nvethctl: the batch ends at -:3\n$/)
    t.same(await host.devices(), [])
  }
})

t.test('standard input is a batch too', { skip }, async (t) => {
  const { host, vethctl } = await joinRig(t)
  const { code, stderr } = await vethctl('-b -', 'link add veth1 type veth peer name veth2\nlink del x\n')
  t.equal(code, 1)
  t.match(stderr, /Command failed -:2\n$/)
  t.same((await host.devices()).sort(), ['veth1', 'veth2'])
})
