#!/usr/bin/env node
/**
 * vethd: the daemon.
 *
 *     config ─→ no other daemon on the socket? ─→ driver (engine probed, nursery made) ─→ control socket ─→ --pair ─→ ready
 *     SIGTERM, SIGINT ─→ remove the control socket ─→ close the driver (every device is deleted) ─→ exit 0
 *     the same signal again, an uncaught exception ─→ exit at once; the driver's exit hook removes the devices
 *
 * Neighbours: config.ts, log.ts, server.ts, sd-notify.ts, src/veth/driver.ts.
 */
import { constants } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { requireAddon } from '../src/veth/addon.js'
import { Driver } from '../src/veth/driver.js'
import { type Config, parseConfig } from './config.js'
import { claimControlSocket, refuseSecondDaemon } from './control-socket.js'
import { Events } from './events.js'
import { type Log, openLog } from './log.js'
import { toVethdError } from './problem.js'
import { Registry } from './registry.js'
import { openNotify } from './sd-notify.js'
import { buildServer } from './server.js'

/** Reports a failure before the daemon was ready: one line, as vethctl does, and the error's exit code. */
function giveUp(thrown: unknown): never {
  const error = toVethdError(thrown)
  process.stderr.write(`vethd: ${error.code === 'INTERNAL' ? (thrown as Error).stack : error.message}\n`)
  process.exit(error.exit)
}

async function start(config: Config, log: Log): Promise<void> {
  const notify = openNotify((error) => log.warn({ err: error }, 'the service manager cannot be notified'))
  requireAddon()
  await refuseSecondDaemon(config.socket)
  const driver = await Driver.open({
    engine: config.engine,
    workers: config.workers,
    cpus: config.cpus,
    busyPollUs: config.busyPollUs,
    log,
  })
  const events = new Events(driver, log)

  const app = await buildServer({ driver, registry: new Registry(driver), events }, log)
  const releaseSocket = await claimControlSocket(app.server, config.socket)
  process.on('exit', releaseSocket)
  onSignals(log, async () => {
    notify('STOPPING=1')
    releaseSocket()
    await Promise.all([app.close(), driver.close()])
  })

  for (const [dev, peer] of config.pairs) await driver.addPair({ dev: { name: dev }, peer: { name: peer } })
  const { name: engine, reason } = driver.engine
  log.info({ socket: config.socket, engine, reason, pairs: driver.pairs.size }, 'ready')
  notify('READY=1', `STATUS=${engine} engine, control socket ${config.socket}`)
}

/**
 * The first signal ends the daemon in good order, a second one at once. npm forwards a terminal's SIGINT to a child that has
 * already got it from the terminal, so a second signal within one second is the same Ctrl-C.
 */
function onSignals(log: Log, stop: () => Promise<void>): void {
  let stoppingSince: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince > 1000) process.exit(128 + constants.signals[signal])
        return
      }
      stoppingSince = performance.now()
      log.info({ signal }, 'stopping')
      await stop()
      process.exit(0)
    })
  }
}

// V8's memory reducer collects garbage when the process is idle: 200 ms of CPU on all its threads, for memory that the daemon
// needs again at the next request. --no-memory-reducer has no effect here, because the reducer is created with the heap. But
// it uses only incremental marking, which can still be switched off.
setFlagsFromString('--no-incremental-marking')

let config: Config
try {
  config = parseConfig(process.argv.slice(2))
} catch (error) {
  giveUp(error)
}
const log = await openLog(config.logLevel)
process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'an internal error of vethd')
  process.exit(1)
})
await start(config, log).catch(giveUp)
