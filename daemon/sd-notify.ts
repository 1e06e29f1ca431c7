/**
 * sd_notify(3): reports the daemon's state to the service manager, by datagrams to $NOTIFY_SOCKET.
 * Invariant: the variable is removed from the environment, so that no child process notifies in the daemon's name.
 */
import { native } from '../native-bindings/index.js'

/** Sends `READY=1`, `STATUS=…` and the like; without a service manager it does nothing. */
export type Notify = (...assignments: string[]) => void

/** Never throws: if the manager cannot be reached, `warn` is called and the daemon continues. */
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
