/** Kernel veth: the first yardstick. Twice in every run: what it differs from itself is the run's noise. */
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
