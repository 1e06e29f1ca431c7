/**
 * Opens the namespaces of a request in this process, because names, paths and pids depend on the process. The daemon gets them
 * as `fd:7=NAME`; NAME is for messages.
 *
 * Neighbours: netns-name.ts parses the names; daemon/caller.ts takes the files.
 * Invariant: the files are open only until the daemon has answered, because an open file keeps its namespace alive.
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { EINVAL } from '../abi/errno.js'
import { VethdError } from '../errors.js'
import { asOption, type NetnsOpener, netnsFileOf, openNetns } from '../netns-name.js'

const BY_FS: NetnsOpener = {
  file: (path) => {
    // opening a FIFO would block and opening a device could start it; neither can be a namespace
    if (!statSync(path).isFile()) throw Object.assign(new Error(`"${path}" is no file`), { errno: -EINVAL })
    return openSync(path, 'r')
  },
  process: (pid) => openSync(netnsFileOf(pid), 'r'),
}

export class OpenNamespaces implements Disposable {
  readonly #fds: number[] = []

  /** `-n NETNS`. */
  option(netns: string | undefined): string | undefined {
    try {
      return netns === undefined ? undefined : this.#open(netns)
    } catch (error) {
      throw asOption(netns!, error)
    }
  }

  /** `netns NETNS` among the attributes of a device. */
  argument<T extends { netns?: string } | undefined>(attributes: T): T {
    return attributes?.netns === undefined ? attributes : { ...attributes, netns: this.#open(attributes.netns) }
  }

  #open(word: string): string {
    try {
      const fd = openNetns(word, BY_FS)
      this.#fds.push(fd)
      return `fd:${fd}=${word}`
    } catch (error) {
      // processes of other users: the daemon opens their namespaces for clients that may use it
      if (!(error instanceof VethdError && error.code === 'NOT_PERMITTED')) throw error
      return word.includes('/') ? resolve(word) : word
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeSync(fd)
  }
}

/** Opens `-n NETNS` for a child process that is to start there; the fd is the caller's to close. */
export function openNetnsOption(netns: string): number {
  try {
    return openNetns(netns, BY_FS)
  } catch (error) {
    throw asOption(netns, error)
  }
}
