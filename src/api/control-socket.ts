/** The default path of the control socket, for daemon and client. */
export const DEFAULT_SOCKET = '/run/vethd/control.sock'
