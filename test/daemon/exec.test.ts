/**
 * `vethctl exec`: scripts for kernel veth run twice, plainly in a namespace with kernel veth, and through exec in one
 * with a daemon. Output, exit code, devices and pings are the same.
 *
 * Neighbours: exec-batch.test.ts has `ip -batch`, exec-tc.test.ts has `tc`.
 */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import type { Device } from '../../src/api/schema.js'
import { ROOT } from '../device/harness/daemon.js'
import { until } from '../device/harness/processes.js'
import { besideKernel, ipsWords, startExecRig } from './exec-harness.js'
import { missing, run, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'ping', 'bash', 'python3', 'unshare')

/** What stands in exec-scripts/. Each is given what the names of its namespaces are to begin with. */
const SCRIPTS: Record<string, string> = {
  'a lab in POSIX sh': 'lab.sh',
  'a bridged network in bash': 'bridged.bash',
  'a program in Python': 'batches.py',
  'a script under unshare -n': 'unshared.sh',
  'a script with a /run of its own': 'unshared-run.sh',
}

for (const [what, file] of Object.entries(SCRIPTS)) {
  t.test(`${what} does and says the same`, { skip }, async (t) => {
    const rig = await startExecRig(t)
    const script = join(ROOT, 'test/daemon/exec-scripts', file)
    const kernel = await run(rig.kernel.argv([script, `${rig.kernel.name}s`]))
    const ours = await rig.exec([script, `${rig.host.name}s`])
    t.same(ipsWords(ours), ipsWords(kernel))
    t.not(kernel.stdout, '', 'it said something')
    await until('nothing to be left', async () => (await rig.host.devices()).length === 0)
  })
}

t.test('the pairs of a script are those of vethd, in the namespace of the call', { skip }, async (t) => {
  const rig = await startExecRig(t)
  const other = await rig.topology.namespace('o')
  t.same(await rig.exec(`ip netns exec ${other.name} ip link add in-other type veth`), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  t.same(await rig.exec(`ip -n ${other.name} link add by-name type veth`), { code: 0, stdout: '', stderr: '' })
  t.same(await rig.exec('ip link add here type veth'), { code: 0, stdout: '', stderr: '' })
  t.same((await other.devices()).sort(), ['by-name', 'in-other', 'veth0', 'veth1'])
  t.same((await rig.host.devices()).sort(), ['here', 'veth0'])
  const { pairs } = JSON.parse(
    await rig.host.do(['curl', '-s', '--unix-socket', rig.daemon.socket, 'http://v/v1/pairs']),
  )
  const places = [rig.host.name, other.name]
  t.equal(pairs.filter(({ a }: { a: Device }) => places.includes(a.vethd.netns ?? '')).length, 3)
})

t.test("replace adds what is not there, and is the kernel's where it is", { skip }, async (t) => {
  const rig = await startExecRig(t)
  const calls = [
    'ip link replace x type veth peer name y',
    'ip link replace x mtu 1400 type veth peer name z',
    'ip link replace z type veth peer name y',
    'ip l r z up type veth',
    'ip link replace type veth',
    'ip link replace z up',
    'ip link replace br0 type bridge',
    'ip link replace y nonsense type veth',
  ]
  for (const call of calls) {
    const { kernel, ours } = await besideKernel(rig, () => call.split(' '))
    t.same(ipsWords(ours), ipsWords(kernel), call)
    await sameDevices(t, rig, call)
  }
  const kinds = (await rig.host.do('ip -d link show')).match(/^ {4}(bridge|tun|veth) /gm)?.map((kind) => kind.trim())
  t.same(kinds?.sort(), ['bridge', ...Array(6).fill('tun')])
})

/** Both namespaces hold devices of the same names. A deletion reaches the peer some milliseconds later on vethd. */
async function sameDevices(
  t: Test,
  { host, kernel }: Awaited<ReturnType<typeof startExecRig>>,
  what: string,
): Promise<void> {
  const wanted = (await kernel.devices()).sort().join()
  await until(`devices as after "${what}" on veth`, async () => (await host.devices()).sort().join() === wanted)
  t.pass(what)
}

t.test('devices called type and veth confuse nobody', { skip }, async (t) => {
  const rig = await startExecRig(t)
  const calls = [
    'ip link add dev type type veth peer name veth',
    'ip link add name peer type veth peer name dev',
    'ip link del veth',
    'ip link add veth type bridge',
    'ip link add name type type bridge',
    'ip link add type veth peer name link',
    'ip link add type type veth',
    'ip link add x type veth help',
    'ip link show type veth type',
  ]
  for (const call of calls) {
    const { kernel, ours } = await besideKernel(rig, () => call.split(' '))
    t.same(ipsWords(ours), ipsWords(kernel), call)
    await sameDevices(t, rig, call)
  }
  const kinds = (await rig.host.do('ip -d link show')).match(/^ {4}(bridge|tun|veth) /gm)?.sort()
  t.same(
    kinds,
    ['bridge', 'bridge', 'tun', 'tun', 'tun', 'tun'].map((kind) => `    ${kind} `),
  )
})

/** Commands of ip that are none of vethd's. */
const PASSED_THROUGH = [
  'ip',
  'ip help',
  'ip -V',
  'ip -Version link add x type veth',
  'ip -h',
  'ip -foo link add x type veth',
  'ip foo',
  'ip -j -d link show',
  'ip -s -s link show lo',
  'ip -br -c=always link',
  'ip -o -4 addr show',
  'ip -f inet6 route show table all',
  'ip -family nonsense link add x type veth',
  'ip route get 127.0.0.1',
  'ip neigh show dev nope',
  'ip link help',
  'ip link show type veth',
  'ip link show nope',
  'ip link del nope type veth',
  'ip link set nope type veth',
  'ip link add',
  'ip link add help',
  'ip link add x t veth',
  'ip link add x type nope',
  'ip link add a type veth',
  'ip address add 192.0.2.1/24 dev nope',
  'ip -n no.such link show',
  'ip -batch',
  'ip -batch /no/such',
  'ip netns identify',
  'ip -- link show lo',
  'ip rule show',
]

t.test('everything else is the real ip, byte for byte', { skip }, async (t) => {
  const { host, typed } = await startExecRig(t)
  for (const command of PASSED_THROUGH) {
    t.same(await typed(command), await run(host.argv(command)), command)
  }
  t.same(await host.devices(), [])
})

t.test('stdin, words with blanks and the exit code reach the real ip and come back', { skip }, async (t) => {
  const { host, exec } = await startExecRig(t)
  const words = ['ip', 'netns', 'exec', host.name, 'sh', '-c', 'cat; echo "$1|$2" >&2; exit 42', 'sh', 'a  b', '']
  t.same(await exec(words, 'fed\n'), { code: 42, stdout: 'fed\n', stderr: 'a  b|\n' })
})

t.test('the real ip is found when the script changes PATH', { skip }, async (t) => {
  const { host, exec } = await startExecRig(t)
  const expected = await run(host.argv('ip -o link show lo'))
  t.same(await exec(['sh', '-c', `PATH=$\{PATH%%:*}; exec ip -o link show lo`]), expected, 'the folder of exec alone')
  t.same(
    await exec(['sh', '-c', `PATH=:/nowhere:$PATH:$\{PATH%%:*}/; exec ip -o link show lo`]),
    expected,
    'odd folders',
  )
  const noName = await exec([
    'sh',
    '-c',
    'PATH=$PATH:/opt exec env -u VETHD_SHIM -u VETHD_IP -u VETHD_NODE ip -o link show lo',
  ])
  t.same(noName, expected, 'without what exec has said')
})

t.test('the way through the shim costs less than 5 ms', { skip }, async (t) => {
  const { exec } = await startExecRig(t)
  const { stdout } = await exec(['sh', '-c', 'command -v ip; env'])
  const shim = stdout.split('\n')[0]
  const env = Object.fromEntries(
    stdout
      .split('\n')
      .slice(1)
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  )
  const real = env.VETHD_IP
  t.not(dirname(shim), dirname(real))
  const took = { [shim]: [] as number[], [real]: [] as number[] }
  for (let round = 0; round < 50; round++) {
    for (const program of [shim, real]) {
      const startedAt = performance.now()
      const { status } = spawnSync(program, ['-o', 'link', 'show', 'lo'], { env })
      took[program].push(performance.now() - startedAt)
      if (status !== 0) t.fail(`${program} ended with ${status}`)
    }
  }
  // the quickest of each: the others waited for a CPU
  const cost = Math.min(...took[shim]) - Math.min(...took[real])
  t.ok(cost < 5, `${cost.toFixed(2)} ms`)
  t.comment(`the shim costs ${cost.toFixed(2)} ms a call, the quickest of 50`)
})

t.test('an exec within an exec takes its place, and has its daemon unless it names one', { skip }, async (t) => {
  const rig = await startExecRig(t)
  const vethctl = [process.execPath, VETHCTL]
  const made = await rig.exec([...vethctl, 'exec', '--', 'ip', 'link', 'add', 'x', 'type', 'veth'])
  t.same(made, { code: 0, stdout: '', stderr: '' })
  t.match(await rig.exec([...vethctl, 'link', 'show', 'x']), { code: 0, stdout: /^\d+: x/ }, 'so does vethctl in it')
  const named = await rig.exec([...vethctl, '--socket', '/no/such', 'exec', 'ip', 'link', 'add', 'y', 'type', 'veth'])
  t.equal(named.code, 1)
  t.match(named.stderr, /no vethd answers on \/no\/such/)
  const path = await rig.exec([...vethctl, 'exec', 'sh', '-c', 'echo $PATH'])
  t.same(path.stdout, (await rig.exec(['sh', '-c', 'echo $PATH'])).stdout, 'PATH has one folder more, not two')
})

t.test('without a daemon COMMAND runs, and what needs the daemon says so', { skip }, async (t) => {
  const { host } = await startExecRig(t)
  const words = ['sh', '-c', 'echo runs; ip link add x type veth; echo $?; ip -o link show lo | wc -l']
  const { code, stdout, stderr } = await host.run([
    process.execPath,
    VETHCTL,
    '--socket',
    '/no/such',
    'exec',
    '--',
    ...words,
  ])
  t.same([code, stdout], [0, 'runs\n1\n1\n'])
  t.match(stderr, /^vethctl: no vethd answers on \/no\/such: start it with .*\n$/)
})

t.test('what cannot be run ends as in a shell, and no COMMAND is a wrong argument', { skip }, async (t) => {
  const { exec, vethctl } = await startExecRig(t)
  t.same(await exec('no.such.command'), { code: 127, stdout: '', stderr: 'vethctl: no.such.command: not found\n' })
  t.same(await exec('/etc/passwd'), { code: 126, stdout: '', stderr: 'vethctl: /etc/passwd: not executable\n' })
  t.match(await vethctl('exec'), { code: 255, stderr: /COMMAND is missing: vethctl exec -- COMMAND/ })
  t.match(await vethctl('exec --'), { code: 255, stderr: /COMMAND is missing/ })
  t.match(await vethctl('exec -x'), { code: 255, stderr: /"-x"/ })
  t.match(await vethctl('exec --help'), { code: 0, stdout: /^Usage: vethctl .*exec/ })
  t.match(await vethctl('-b -', 'exec true\n'), { code: 1, stderr: /Object "exec" is unknown/ })
})

t.test('files beyond the first three are inherited', { skip }, async (t) => {
  const { host, daemon } = await startExecRig(t)
  const exec = `${process.execPath} ${VETHCTL} --socket ${daemon.socket} exec --`
  const { stdout } = await host.run(['bash', '-c', `${exec} sh -c 'cat <&7; cat $0' <(echo substituted) 7<<<seven`])
  t.equal(stdout, 'seven\nsubstituted\n')
})

t.test('a signal that ends COMMAND ends exec', { skip }, async (t) => {
  const { host, daemon } = await startExecRig(t)
  for (const signal of ['TERM', 'KILL', 'PIPE', 'INT', 'USR1']) {
    const words = [process.execPath, VETHCTL, '--socket', daemon.socket, 'exec', '--', 'sh', '-c', `kill -${signal} $$`]
    const [program, ...args] = host.argv(words)
    t.match(spawnSync(program, args), { status: null, signal: `SIG${signal}` }, signal)
  }
})

t.test('a signal sent to exec is COMMAND’s to handle', { skip }, async (t) => {
  const { host, daemon } = await startExecRig(t)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    const handler = `trap 'kill $!; wait $!; echo ${signal}; exit 5' ${signal.slice(3)}; sleep 60 & echo ready; wait`
    const words = [process.execPath, VETHCTL, '--socket', daemon.socket, 'exec', '--', 'bash', '-c', handler]
    const started = host.start(words)
    await started.line(/^ready$/m)
    started.signal(signal)
    const { code, stdout } = await started.exit()
    t.same([code, stdout], [5, `ready\n${signal}\n`], signal)
  }
})

/**
 * Runs its arguments in a terminal of their own and presses Ctrl-C twice, the second time after the first was heard.
 * NOFLSH: at a Ctrl-C the line discipline sends SIGINT first and then flushes the terminal's output, and with that an
 * answer which the signal's handler has written meanwhile.
 */
const TERMINAL = `
import os, pty, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    modes = termios.tcgetattr(0)
    modes[3] |= termios.NOFLSH
    termios.tcsetattr(0, termios.TCSANOW, modes)
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
def wait_for(text):
    global said
    while text not in said:
        said += os.read(terminal, 1000)
for answer in (b"ready", b"INT 1"):
    wait_for(answer)
    os.write(terminal, b"\x03")
wait_for(b"INT 2")
os.write(terminal, b"\\n")
wait_for(b"all: ")
print(said.decode()[said.index(b"all: "):][:6], os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

t.test('Ctrl-C in a terminal reaches COMMAND once', { skip }, async (t) => {
  const { host, daemon } = await startExecRig(t)
  const handler = "n=0; trap 'echo INT $((n += 1))' INT; echo ready; until read -r; do :; done; echo all: $n; exit 9"
  const exec = [process.execPath, VETHCTL, '--socket', daemon.socket, 'exec', '--', 'bash', '-c', handler]
  t.match(await host.run(['python3', '-c', TERMINAL, ...exec]), { code: 0, stdout: 'all: 2 9\n' })
})

t.test('the package has the shims, as programs', { skip: skip || missing('npm') }, async (t) => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string; mode: number }[] }]
  for (const shim of ['ip', 'tc']) {
    t.equal(files.find(({ path }) => path === `dist/src/cli/shim/${shim}`)?.mode, 0o755)
    t.ok(files.some(({ path }) => path === `dist/src/cli/as-${shim}.js`))
  }
  t.ok(files.some(({ path }) => path === 'dist/src/cli/shim/iproute2.sh'))
})
