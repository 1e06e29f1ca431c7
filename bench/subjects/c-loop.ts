/** bench/c-loop.c: the simplest loop that moves frames between two TAP devices, with all offloads. */
import { compile } from '../compile.js'
import { LEFT, RIGHT, type Subject } from './subject.js'

export const cLoop: Subject = {
  name: 'c-loop',
  title: 'C loop',
  needs: ['gcc'],
  join: async (topology, host) => {
    const loop = host.start([await compile(topology, 'c-loop'), LEFT, RIGHT])
    await loop.line(/^ready/m)
    return { pids: [loop.pid] }
  },
}
