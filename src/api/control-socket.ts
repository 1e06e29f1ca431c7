/** Where the daemon listens and the client knocks, unless `--socket` says otherwise. */
export const DEFAULT_SOCKET = '/run/vethd/control.sock'
