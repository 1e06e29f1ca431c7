/** Kernel veth. Each run measures it twice: the difference between the two shows the noise of the run. */
import { LEFT, RIGHT, type Subject } from './subject.js'

export const veth: Subject = {
  name: 'veth',
  title: 'kernel veth',
  needs: [],
  join: async (_, host) => {
    await host.do(`ip link add ${LEFT} type veth peer name ${RIGHT}`)
    return { pids: [] }
  },
}

export const vethAgain: Subject = { ...veth, name: 'veth-again', title: 'kernel veth, again' }
