/**
 * `npm start`: sets the clone up, runs `vethd --pair veth1,veth2` in the foreground, and prints a first ping to type.
 *
 * Dependency-free. Neighbours: setup.mjs before it, daemon/main.ts behind it, free-network.mjs for the addresses.
 *
 * Invariant: this process lives as long as the daemon and ends with the daemon's exit code.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freeNetwork, networksInUse } from './free-network.mjs'
import { exitStatus, forwardSignals, returnOwnership, root, runMain, StepFailed } from './process.mjs'
import { setUp } from './setup.mjs'

const CONTROL_SOCKET = '/run/vethd/control.sock'
const ENDS = ['veth1', 'veth2']

/** What to type next. Where no network is free, the README's stands there for the user to replace. */
const whatNext = (network = '198.18.0') => `
vethd runs, and the pair ${ENDS.join(' - ')} exists. In another terminal, in this folder, type:

  sudo ip netns add t1
  sudo npx vethctl link set veth1 netns t1
  sudo ip -n t1 address add ${network}.1/24 dev veth1
  sudo ip -n t1 link set veth1 up
  sudo ip address add ${network}.2/24 dev veth2
  sudo ip link set veth2 up
  sudo ip netns exec t1 ping -c 3 ${network}.2
  sudo npx vethctl link show

Ctrl-C ends vethd and deletes the pair.
`

await runMain(async () => {
  if (process.getuid() !== 0) throw new StepFailed('vethd makes network devices and needs root: run "sudo npm start"')
  await setUp('start')
  returnOwnership()
  return runDaemon()
})

async function runDaemon() {
  // If another daemon answers already, ours reports that and ends. The other daemon's socket must not be taken for ours.
  const alone = !(await answers(CONTROL_SOCKET))
  const args = [join(root, 'dist/daemon/main.js'), '--pair', ENDS.join(',')]
  const daemon = spawn(process.execPath, args, { stdio: 'inherit' })
  forwardSignals(daemon)
  const ended = new Promise((done) => {
    daemon.once('close', (code, signal) => done(exitStatus(code, signal)))
  })
  if (alone && (await isReady(daemon))) console.log(whatNext(freeNetwork(networksInUse())))
  return ended
}

/** Waits until the daemon listens and both ends exist. False if the daemon ended first. */
async function isReady(daemon) {
  while (daemon.exitCode === null && daemon.signalCode === null) {
    // not /sys/class/net, which shows the namespace in which /sys was mounted
    const devices = readFileSync('/proc/self/net/dev', 'utf8')
    const made = ENDS.every((name) => devices.includes(` ${name}:`))
    if (made && (await answers(CONTROL_SOCKET))) return true
    await delay(50)
  }
  return false
}

function answers(path) {
  return new Promise((done) => {
    const socket = connect(path)
    socket.once('error', () => done(false))
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
  })
}
