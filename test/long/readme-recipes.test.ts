/**
 * The README's recipes that take seconds or large packages each: a container of Debian's podman, Mininet, and a service of a
 * systemd that runs. Their blocks run as they stand, and print what the README shows.
 *
 * Neighbours: test/docs/readme-machine.ts has the private machine; boot-systemd.sh boots systemd.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT } from '../device/harness/daemon.js'
import { must, run, until } from '../device/harness/processes.js'
import { DEADLINE_MS, missing, Topology } from '../device/harness/topology.js'
import { type Finished, hasPrinted, isAsShown, LONG_SECTIONS, Machine, readBlocks } from '../docs/readme-machine.js'

t.setTimeout(DEADLINE_MS)

const [CONTAINER, MININET, SERVICE] = LONG_SECTIONS
const READY_WITHIN_MS = 20_000
/** The real sudo would set a PATH without the commands that a test puts there. */
const SUDO = 'exec "$@"'

/** Runs the blocks of a section, and compares what they print with what the README shows. */
async function playSection(t: Test, section: string, runScript: (text: string) => Promise<Finished>): Promise<void> {
  for (const { text, output: shown } of readBlocks().filter((block) => block.section === section)) {
    const { code, output } = await runScript(text)
    t.equal(code, 0, text.trim(), { printed: output })
    if (shown) t.ok(isAsShown(shown, output), 'it prints what is shown', { printed: output })
  }
}

/** A private machine on which vethd runs. */
async function machineWithVethd(topology: Topology, commands: Record<string, string> = {}): Promise<Machine> {
  const machine = await Machine.make(topology, { sudo: SUDO, ...commands })
  const daemon = machine.start('exec node dist/daemon/main.js')
  topology.defer(() => daemon.kill('SIGKILL'))
  if (!(await hasPrinted(daemon, /"msg":"ready"/, READY_WITHIN_MS))) throw new Error(`vethd: ${daemon.output}`)
  return machine
}

/** Copies a program and its libraries to where a root file system has them. */
function install(program: string, rootfs: string): void {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' })
  for (const file of [program, ...(stdout.match(/\/\S+/g) ?? [])]) {
    mkdirSync(dirname(join(rootfs, file)), { recursive: true })
    copyFileSync(file, join(rootfs, file))
  }
}

/** The name of the cgroups that the tests make, in each hierarchy. */
const CGROUP = `vethd-test-${process.pid}`

/** A podman that keeps everything in `folder`, needs no systemd, and takes a root file system in the place of an image. */
function podmanIn(folder: string): string {
  install('/bin/sleep', join(folder, 'rootfs'))
  return `
    for word in "$@"; do
      shift
      case $word in
        run) set -- "$@" run --cgroup-parent ${CGROUP} --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 ;;
        docker.io/library/alpine) set -- "$@" --rootfs ${folder}/rootfs ;;
        *) set -- "$@" "$word" ;;
      esac
    done
    exec /usr/bin/podman --root ${folder}/root --runroot ${folder}/run --tmpdir ${folder}/tmp --runtime runc \\
      --cgroup-manager cgroupfs --events-backend file "$@"`
}

t.test(CONTAINER, { skip: missing('ip', 'ping', 'podman', 'runc', 'nsenter') }, async (t) => {
  const topology = Topology.of(t)
  const folder = mkdtempSync(join(tmpdir(), 'vethd-podman-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  const machine = await machineWithVethd(topology, { podman: podmanIn(folder) })
  topology.defer(removeCgroups)
  topology.defer(() => spawnSync('sh', ['-c', podmanIn(folder), 'podman', 'rm', '-f', '-a', '-t', '0']))
  await playSection(t, CONTAINER, (text) => machine.run(text))
  const links = async () => (await machine.run('ls /sys/class/net')).output
  await until('the pair to end with the container', async () => !(await links()).includes('box0'))
})

t.test(MININET, { skip: missing('ip', 'ping', 'mn', 'brctl', 'ifconfig') }, async (t) => {
  const topology = Topology.of(t)
  const machine = await machineWithVethd(topology)
  // mn raises limits of the whole machine in there
  await machine.run('mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys')
  await playSection(t, MININET, (text) => machine.run(text))
})

t.test(SERVICE, { skip: missing('ip', 'unshare', 'nsenter', 'systemctl') }, async (t) => {
  const topology = Topology.of(t)
  const folder = mkdtempSync(join(tmpdir(), 'vethd-systemd-'))
  topology.defer(() => rmSync(folder, { recursive: true, force: true }))
  const [, cgroups = '/sys/fs/cgroup'] = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8')) ?? []
  const cgroup = join(cgroups, CGROUP)
  topology.defer(removeCgroups)
  const booted = topology.start([join(ROOT, 'test/long/boot-systemd.sh'), cgroup, folder, ROOT])
  const inside = async (script: string): Promise<Finished> => {
    const [init] = await must(['ps', '--ppid', String(booted.pid), '-o', 'pid=']).then((pids) =>
      pids.trim().split('\n'),
    )
    // `sudo` is a function: there may be no such program. `nsenter --wd` would open the folder outside.
    const words = `exec 2>&1; cd ${ROOT}; sudo() { "$@"; }\n${script}`
    const { code, stdout } = await run(['nsenter', '-t', init, '-a', '-r', '-w', 'bash', '-euc', words])
    return { code, output: stdout }
  }
  const running = async () => {
    const state = await inside('systemctl is-system-running').catch(() => undefined)
    return state?.output.includes('running') === true
  }
  await until(`systemd to boot: ${booted.stderr}`, running, 30_000)
  await playSection(t, SERVICE, inside)
  t.equal((await inside('ls /proc/sys/net/ipv4/conf')).output, 'all\ndefault\nlo\n', 'no device is left')
})

/** A cgroup can be removed when its processes have been reaped. */
function removeCgroups(): void {
  const remove = `for turn in $(seq 100); do
    find /sys/fs/cgroup -path "*/$0/*" -prune -o -type d -name "$0" -print | while read -r made; do
      find "$made" -depth -type d -exec rmdir {} +
    done 2>/dev/null && break
    sleep 0.05
  done`
  spawnSync('bash', ['-o', 'pipefail', '-c', remove, CGROUP])
}
