/**
 * sd_notify(3): tells the service manager how far the daemon is, by datagrams to $NOTIFY_SOCKET.
 * Invariant: the variable is taken out of the environment, so that no child speaks in the daemon's name.
 */
import { native } from '../native-bindings/index.js'

/** Sends `READY=1`, `STATUS=…` and the like; without a service manager it does nothing. */
export type Notify = (...assignments: string[]) => void

/** Throws nothing: a manager that cannot be reached is told to `warn`, and the daemon works on. */
export function openNotify(warn: (error: unknown) => void, environment = process.env): Notify {
  const path = environment.NOTIFY_SOCKET
  delete environment.NOTIFY_SOCKET
  if (!path) return () => {}
  return (...assignments) => {
    try {
      native().unixSendDatagram(path, Buffer.from(assignments.join('\n')), [])
    } catch (error) {
      warn(error)
    }
  }
}
