/** The subjects, in the order of measurement and of the tables' columns. */
import { cLoop } from './c-loop.js'
import { nodeLoop, socat, vde } from './peers.js'
import type { Subject } from './subject.js'
import { veth, vethAgain } from './veth.js'
import { vethdPlaced, vethdPoll, vethdUring } from './vethd.js'

export const SUBJECTS: Subject[] = [veth, vethAgain, vethdUring, vethdPoll, vethdPlaced, cLoop, socat, vde, nodeLoop]
