/**
 * The README's shell and TypeScript blocks, run in order as they stand, in a private machine.
 *
 * The block with `npm start` runs in the background from when it says what to type next until the end, when it gets SIGINT as
 * a terminal sends it. Neighbours: readme-machine.ts makes the machine; test/long/readme-recipes.test.ts runs the sections
 * left out here. The block with the test command runs nowhere: it runs this test.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { DEADLINE_MS, missing, Topology } from '../device/harness/topology.js'
import {
  type Block,
  hasPrinted,
  isAsShown,
  LONG_SECTIONS,
  Machine,
  readBlocks,
  type Started,
} from './readme-machine.js'

const isStart = ({ text }: Block) => text.includes('npm start')
const isTest = ({ text }: Block) => text.includes('npm test')
const blocks = readBlocks()

/** What `npm start` prints last before it waits, and how long a machine that is set up may take to get there. */
const READY = /Ctrl-C ends vethd/
const READY_WITHIN_MS = 20_000

/** The commands of a block, or of what `npm start` prints. */
function commandsOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('sudo '))
}

t.test(
  "the README's commands work as they stand, and print what it shows",
  {
    skip: missing('ip', 'ping', 'nft', 'iperf3', 'nsenter', 'unshare'),
  },
  async (t) => {
    t.setTimeout(DEADLINE_MS)
    const topology = Topology.of(t)
    const machine = await Machine.make(topology)
    const links = (await machine.run('ls /sys/class/net')).output
    let daemon: Started | undefined
    topology.defer(() => {
      if (daemon?.pid !== undefined && daemon.exitCode === null) process.kill(-daemon.pid, 'SIGKILL')
    })

    t.equal(blocks.filter(isStart).length, 1, 'one block starts vethd')
    t.equal(blocks.filter(isTest).length, 1, 'one block runs the tests')
    for (const block of blocks.filter((block) => !isTest(block) && !LONG_SECTIONS.includes(block.section))) {
      if (isStart(block)) {
        daemon = machine.start(block.text)
        const ready = await hasPrinted(daemon, READY, READY_WITHIN_MS)
        if (!t.ok(ready, 'npm start says what to type next', { printed: daemon.output })) return
        const typed = blocks.flatMap(({ text }) => commandsOf(text))
        for (const command of commandsOf(daemon.output))
          t.ok(typed.includes(command), `the README has it too: ${command}`)
      } else {
        const { code, output } = await machine.runBlock(block)
        t.equal(code, 0, block.text.trim(), { printed: output })
        if (block.output) t.ok(isAsShown(block.output, output), 'it prints what is shown', { printed: output })
      }
    }

    if (daemon?.pid === undefined) return
    t.equal(daemon.exitCode, null, 'vethd still runs', { printed: daemon.output })
    const closed = once(daemon, 'close')
    process.kill(-daemon.pid, 'SIGINT')
    const [code] = await closed
    t.equal(code, 0, 'npm start ends well on Ctrl-C', { printed: daemon.output })
    const left = await machine.run('ls /sys/class/net; ip netns list; ls -A /run/vethd 2>/dev/null || true')
    t.equal(left.output, links, 'no device, no namespace and no socket is left')
  },
)

t.test('each section that takes long is in the README', async (t) => {
  const sections = blocks.map(({ section }) => section)
  t.same(
    LONG_SECTIONS.filter((section) => !sections.includes(section)),
    [],
  )
})

t.test('the README links to every page of docs/', async (t) => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const pages = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))
  t.same(
    pages.filter((page) => !readme.includes(`](docs/${page})`)),
    [],
  )
})

t.test('output is compared but for what differs from run to run', async (t) => {
  const shown = 'rtt 0.52 ms, 0% packet loss\n…\n[  5] 22.1 GBytes from 198.18.0.2 (02:00:00:00:00:01)\n'
  t.ok(isAsShown(shown, 'rtt 11 ms, 0% packet loss\nand\nmore\n[ 12]  7 MBytes from 198.18.0.2 (02:00:00:00:00:ff)'))
  t.notOk(isAsShown('0% packet loss', '33% packet loss'))
  t.notOk(isAsShown('from 198.18.0.2', 'from 192.0.2.2'))
  t.notOk(isAsShown('drops none', 'drops none\nerror'))
})
