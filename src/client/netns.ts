/**
 * The namespaces that a request names, opened by this process: what its names, paths and pids mean is only known here.
 * The daemon takes them as `fd:7=NAME`, by which it also knows what messages call them.
 *
 * Neighbours: netns-name.ts reads the words; daemon/caller.ts takes the files.
 * Invariant: the files are open until the daemon has answered, and no longer: an open one keeps its namespace alive.
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { EINVAL } from '../abi/errno.js'
import { VethdError } from '../errors.js'
import { asOption, type NetnsOpener, netnsFileOf, openNetns } from '../netns-name.js'

const BY_FS: NetnsOpener = {
  file: (path) => {
    // a FIFO would be waited for, a device begin to work; the kernel would refuse either as a namespace
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
      // other users' processes: the daemon looks at them for those who may ask it
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
