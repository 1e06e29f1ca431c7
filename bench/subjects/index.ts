/** The subjects, in the order in which a block measures them and a table shows them. */
import { cLoop } from './c-loop.js'
import { nodeLoop, socat, vde } from './peers.js'
import type { Subject } from './subject.js'
import { veth, vethAgain } from './veth.js'
import { vethdPlaced, vethdPoll, vethdUring } from './vethd.js'

export const SUBJECTS: Subject[] = [veth, vethAgain, vethdUring, vethdPoll, vethdPlaced, cLoop, socat, vde, nodeLoop]
