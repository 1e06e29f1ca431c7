/**
 * `tc` through `vethctl exec`: it has the same effect on the root qdisc of an end, and the same output, as a plain call
 * with kernel veth.
 *
 * Neighbour: exec.test.ts has `ip`, and exec itself.
 */
import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { type Output, until } from '../device/harness/processes.js'
import type { Namespace } from '../device/harness/topology.js'
import { type ExecRig, ipsWords, startExecRig } from './exec-harness.js'
import { missing, run, temporaryFolder, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'tc', 'bash', 'setpriv')

/** Pairs whose ends are e0 to e27. */
const PAIRS = Array.from({ length: 14 }, (_, n) => 2 * n)
const ADD = PAIRS.map((n) => `link add e${n} up type veth peer name e${n + 1}\nlink set e${n + 1} up\n`).join('')

/** Runs a command side by side, plainly in the kernel's namespace and through exec in the host's. */
function both({ kernel, host, exec }: ExecRig, command: (ns: Namespace) => string[], input?: string) {
  return Promise.all([run(kernel.argv(command(kernel)), input), exec(command(host), input)])
}

/**
 * An output in which an end's own qdisc is called alike, and so is every handle that the kernel chose. What follows
 * from the length and number of queues is left out.
 */
function alike(output: Output): Output {
  const { code, stdout, stderr } = ipsWords(output)
  const own = /^qdisc (noqueue 0|noqueue 8001|pfifo_fast 0): .*$/gm
  const chosen = /(?<=^qdisc \w+ )8[0-9a-f]{3}:/gm
  const depends = / refcnt \d+| direct_qlen \d+/g
  return { code, stderr, stdout: stdout.replace(own, 'own').replace(chosen, '8…:').replace(depends, '') }
}

/** Lines of tc. Each end has the qdisc that it was born with until a line changes that. */
const LINES = `
  qdisc show dev e0
  # as Mininet does it
  qdisc add dev e0 root handle 5:0 htb default 1
  class add dev e0 parent 5:0 classid 5:1 htb rate 10mbit burst 15k
  qdisc show dev e0
  class show dev e0
  # a qdisc of the user's is there
  qdisc add dev e0 root handle 5: htb default 1
  qdisc add dev e0 root handle 6: htb default 1
  qdisc add dev e0 root htb
  qdisc add dev e0 root noqueue
  qdisc change dev e0 root handle 5: htb default 2
  qdisc change dev e0 root handle 6: htb
  qdisc link dev e0 root handle 6: htb
  qdisc del dev e0 root handle 6:
  qdisc show dev e0
  qdisc add dev e0 root handle 7: pfifo limit 9   # over another kind: no, as it has a handle
  qdisc add dev e0 root tbf rate 1mbit burst 10k latency 10ms   # yes
  qdisc del dev e0 root
  qdisc del dev e0 root
  qdisc del dev e0 parent root
  qdisc show dev e0
  # other spellings
  q a handle 5 root dev e1 tbf rate 1mbit burst 10k latency 10ms
  qdisc show dev e1
  qdi ad dev 'e2' parent root \\
    handle "5:1" pfifo limit 10
  qdisc show dev e2
  qdisc add dev e3 root est 1s 8s handle 5: htb
  qdisc add dev e3 root est 1s 8s handle 5: htb
  qdisc show dev e3
  qdisc add dev e4 root stab linklayer ethernet overhead 4 handle 5: htb
  qdisc add dev e5 root bfifo
  qdisc add dev e6 root noqueue
  qdisc add dev e7 ingress
  qdisc add dev e7 root handle ffff: htb
  qdisc add dev e7 root handle 1: htb
  qdisc show dev e7
  # nothing is changed
  qdisc add dev e8 root handle 5: htb default nonsense
  qdisc add dev e8 root handle 5: htb nonsense
  qdisc add dev e8 root handle 5: tbf rate 1mbit
  qdisc add dev e8 root handle 5: tbf rate 1mbit burst 1 limit 1
  qdisc add dev e8 root handle 5: nosuch
  qdisc add dev e8 root handle 5: nosuch x y
  qdisc add dev e8 root handle 5:
  qdisc add dev e8 root nosuch
  qdisc add dev e8 handle 5: htb
  qdisc add dev e8 parent 5: handle 6: htb
  qdisc add dev e8 root root handle 5: htb
  qdisc add dev e8 root ingress
  qdisc add dev nope root handle 5: htb
  qdisc add dev root handle 5: htb
  qdisc add root handle 5: htb
  qdisc change dev e8 root htb
  qdisc change dev e8 root noqueue
  qdisc change dev e8 root handle 5: htb default 1
  qdisc change dev e8 root htb nonsense
  qdisc change dev e8 root
  qdisc link dev e8 root htb
  qdisc link dev e8 root noqueue
  qdisc link dev e8 root handle 5: htb
  qdisc del dev e8 root
  qdisc del root dev e8
  qdisc del dev e8 root htb
  qdisc del dev e8 root handle 5:
  qdisc del dev e8 ingress
  qdisc show dev e8
  qdisc foo dev e8 root
  # not an add
  qdisc replace dev e8 root handle 5: htb
  qdisc show dev e8
  qdisc show dev lo root
`

/** Calls, one by one; NS is the namespace in which they run. */
const CALLS = `
tc qdisc add dev e20 root handle 5: htb default 1
tc qdisc add dev e20 root handle 5: htb default 1
tc qdisc del dev e20 root
tc qdisc add dev e20 root handle 6: htb
tc qdisc show dev e20
tc qdisc del dev e21 root
tc qdisc add dev e21 root handle 5: htb default nonsense
tc qdisc add dev e21 root handle x: htb
tc qdisc show dev e21
tc -n NS -s q a dev e22 root handle 5: pfifo limit 7
tc -net NS qdisc show dev e22
ip netns exec NS tc -c=never -d qdisc add dev e23 root handle 5: htb
tc -n no.such qdisc add dev e24 root handle 5: htb
tc -foo qdisc add dev e24 root handle 5: htb
tc -V qdisc add dev e24 root handle 5: htb
tc -cf /no/such -nm qdisc add dev e24 root handle 5: htb
unshare -n tc qdisc add dev e25 root handle 5: htb
tc qdisc show dev e24
tc
tc -h
tc -b
tc -b /no/such
tc -force -batch /no/such
tc foo root
tc qdisc help
tc qdisc add help root
unshare -n tc qdisc show root
tc -br qdisc show dev e24
tc class add dev e24 root handle 5: htb
tc filter show dev e24 root
tc -j -p class show dev e20
`

/** Plays tc: says what it was given, and ends as it is told to. */
const FAKE_TC = `#!/bin/sh
case "$1 $2" in 'qdisc show') exit ;; esac
for word; do printf '<%s>' "$word"; done
cat
case $TC_ENDS in [0-9]*) exit $TC_ENDS ;; *) kill -$TC_ENDS $$ ;; esac
`

/** Plays tc: lets vethd put its noqueue at the root of a device right after it has said what is there. */
const WAKING_TC = `#!/bin/sh
PATH=\${PATH#*:*:}
tc "$@" || exit
[ "$1 $2" = 'qdisc show' ] || exit 0
kill -CONT $VETHD
until tc "$@" | grep -q '^qdisc noqueue 8001:'; do :; done
`

const OWN = /^qdisc noqueue 8001: root/
const ADD_HTB = ['qdisc', 'add', 'dev', 'e16', 'root', 'handle', '5:', 'htb']
const SILENT = { code: 0, stdout: '', stderr: '' }

t.test('tc through exec', { skip }, async (t) => {
  const rig = await startExecRig(t)
  for (const { code, stderr } of await both(rig, () => ['ip', '-b', '-'], ADD)) t.same([code, stderr], [0, ''])

  /** Words that exec a command which finds a script in the place of the real tc. */
  const execWith = async (script: string): Promise<string[]> => {
    const folder = await temporaryFolder(rig.topology)
    writeFileSync(join(folder, 'tc'), script, { mode: 0o755 })
    const exec = [process.execPath, VETHCTL, '--socket', rig.daemon.socket, 'exec', '--']
    return ['env', `PATH=${folder}:${process.env.PATH}`, ...exec]
  }

  t.test('tc does and says the same on an end as on a veth, line by line of a batch', async (t) => {
    const [kernel, ours] = await both(rig, () => ['tc', '-force', '-b', '-'], LINES)
    const [expected, got] = [alike(kernel), alike(ours)]
    t.same(got.stdout.split('\n'), expected.stdout.split('\n'))
    t.same(got.stderr.split('\n'), expected.stderr.split('\n'))
    t.equal(got.code, expected.code)
    t.match(expected.stdout, /htb 5:/, 'it has an oracle')
  })

  t.test('a batch ends where one of tc ends, and a file is named', async (t) => {
    const file = join(await temporaryFolder(rig.topology), 'batch')
    for (const [what, text] of Object.entries({
      'a line that fails':
        'qdisc add dev e10 root handle 5: htb\n\nqdisc add dev e10 root handle 5: htb\nqdisc del dev e10 root\n',
      'nothing to delete': 'qdisc add dev e12 root handle 5: htb\nqdisc del dev e13 root\nqdisc del dev e12 root\n',
      'a wrong argument': 'qdisc add dev e14 root handle x: htb\nqdisc add dev e14 root handle 5: htb\n',
      'no root at all': 'class show dev e15\nqdisc show dev nope\n',
    })) {
      writeFileSync(file, text)
      const [kernel, ours] = await both(rig, () => [
        'sh',
        '-c',
        'tc -b "$0"; echo $?; for n in 0 2 3 4; do tc qdisc show dev e1$n; done',
        file,
      ])
      t.same(alike(ours), alike(kernel), what)
    }
  })

  t.test('a call does and says the same on an end as on a veth, and every other is the real tc', async (t) => {
    const calls = CALLS.trim().split('\n')
    const script = (ns: Namespace) => {
      const each = calls.map(
        (call, n) => `echo "call ${n}"; { ${call.replaceAll('NS', ns.name)}; } 2>&1; echo "exit $?"`,
      )
      return ['sh', '-c', each.join('\n')]
    }
    const [kernel, ours] = (await both(rig, script)).map((output) =>
      alike(output)
        .stdout.split(/^call \d+\n/m)
        .slice(1),
    )
    for (const [n, call] of calls.entries()) t.same(ours[n], kernel[n], call)
  })

  t.test('a qdisc can be added after one was deleted, whenever vethd puts its own there', async (t) => {
    await rig.host.do('tc qdisc replace dev e16 root handle 5: htb')
    rig.daemon.process.signal('SIGSTOP')
    rig.topology.defer(() => rig.daemon.process.signal('SIGCONT'))
    await rig.host.do('tc qdisc del dev e16 root')
    t.notMatch(await rig.host.do('tc qdisc show dev e16'), OWN)
    const wakes = ['env', `VETHD=${rig.daemon.process.pid}`]
    t.same(await rig.host.run([...wakes, ...(await execWith(WAKING_TC)), 'tc', ...ADD_HTB]), SILENT)
    t.match(await rig.host.do('tc qdisc show dev e16'), /^qdisc htb 5: root/)
    await rig.host.do('tc qdisc del dev e16 root')
    await until('vethd to put its own there', async () => OWN.test(await rig.host.do('tc qdisc show dev e16')))
  })

  t.test('words, stdin, the exit code and signals reach the real tc and come back', async (t) => {
    const exec = await execWith(FAKE_TC)
    const call = (ends: string, words: string[]) =>
      rig.host.run(['env', `TC_ENDS=${ends}`, ...exec, 'tc', ...words], 'fed')
    for (const words of [
      ['class', 'a  b', '', '*'],
      ['qdisc', 'add', 'dev', 'a  b', 'root', '', '*'],
    ]) {
      const stdout = `${words.map((word) => `<${word}>`).join('')}fed`
      t.same(await call('42', words), { code: 42, stdout, stderr: '' }, words.join(' '))
      t.same(await call('TERM', words), { code: 143, stdout, stderr: '' }, `${words.join(' ')}, killed`)
    }
  })

  t.test('on the way to the real program a shim starts no process', async (t) => {
    // A namespace in which nothing else changes: a dump that is interrupted by a change says so.
    const quiet = await rig.topology.namespace('quiet')
    const folder = await temporaryFolder(rig.topology)
    cpSync(join(ROOT, 'dist/src/cli/shim'), folder, { recursive: true })
    chmodSync(folder, 0o755)
    // root may start any number of processes, so somebody else calls it, who may start none; --norc: a bash whose stdin
    // is a socket takes itself for that of an rshd, and reads ~/.bashrc
    const bash = ['setpriv', '--reuid', '65534', '--clear-groups', 'bash', '--norc', '-c']
    const call = (words: string) => quiet.run([...bash, `ulimit -u 0; exec ${folder}/${words}`])
    for (const words of [
      'tc -j qdisc show dev lo root',
      'tc -s class show dev lo',
      'tc -br qdisc show dev lo',
      'ip -o link show lo',
      'ip -br link show type veth',
    ]) {
      const [program, ...rest] = words.split(' ')
      t.same(await call(words), await quiet.run([program, ...rest]), words)
    }
    t.not((await call('tc -b /etc/passwd')).code, 0, 'it may start none indeed: grep')
  })

  t.test(
    'Mininet builds a shaped link as with kernel veth',
    { skip: missing('mnexec', 'iperf3', 'ping', 'ethtool') },
    async (t) => {
      const script = join(ROOT, 'test/daemon/exec-scripts/shaped.py')
      const [kernel, ours] = await both(rig, () => [script])
      t.same(ours, kernel)
      t.equal(kernel.stderr, '', 'and Mininet has nothing to complain about')
      t.match(kernel.stdout, /htb 5:.* 0% packet loss.*10 Mbit\/s.*rate 5Mbit/s)
    },
  )
})
