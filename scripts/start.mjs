/**
 * `npm start`: sets the clone up, runs `vethd --pair veth1,veth2` in the foreground, and says what to type next.
 *
 * Dependency-free. Neighbours: setup.mjs before it, daemon/main.ts behind it.
 *
 * Invariant: this process lives as long as the daemon and ends with the daemon's exit code.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { exitStatus, forwardSignals, returnOwnership, root, runMain, StepFailed } from './process.mjs'
import { setUp } from './setup.mjs'

const CONTROL_SOCKET = '/run/vethd/control.sock'
const ENDS = ['veth1', 'veth2']

const WHAT_NEXT = `
vethd runs, and the pair ${ENDS.join(' - ')} is there. In another terminal, in this folder, type:

  sudo ip netns add t1
  sudo npx vethctl link set veth1 netns t1
  sudo ip -n t1 address add 192.0.2.1/24 dev veth1
  sudo ip -n t1 link set veth1 up
  sudo ip address add 192.0.2.2/24 dev veth2
  sudo ip link set veth2 up
  sudo ip netns exec t1 ping -c 3 192.0.2.2
  sudo npx vethctl -s link show

Ctrl-C ends vethd and takes the pair with it.
`

await runMain(async () => {
  if (process.getuid() !== 0) throw new StepFailed('making network devices takes root: run "sudo npm start"')
  await setUp('start')
  returnOwnership()
  return runDaemon()
})

async function runDaemon() {
  // When a daemon answers already, ours will say so and end: the other one's socket must not be taken for it.
  const alone = !(await answers(CONTROL_SOCKET))
  const args = [join(root, 'dist/daemon/main.js'), '--pair', ENDS.join(',')]
  const daemon = spawn(process.execPath, args, { stdio: 'inherit' })
  forwardSignals(daemon)
  const ended = new Promise((done) => {
    daemon.once('close', (code, signal) => done(exitStatus(code, signal)))
  })
  if (alone && (await isReady(daemon))) console.log(WHAT_NEXT)
  return ended
}

/** Waits until the daemon listens and both ends exist; false when it ended before. */
async function isReady(daemon) {
  while (daemon.exitCode === null && daemon.signalCode === null) {
    // /sys/class/net is that of the namespace which /sys was mounted in
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
