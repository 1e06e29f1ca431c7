/**
 * The lanes of one worker and their turns: which lane reads next, and how much.
 *
 *              a frame came                      burst full: size doubles, again
 *      ┌──────┐ ─────────▶ ┌────────┐ ───────────────────────────────────┐
 *      │ idle │            │ active │ ◀──────────────────────────────────┘
 *      └──────┘ ◀───────── └────────┘
 *              drained (-EAGAIN)    EBADFD ──▶ gone: reported once, never asked again
 *                                   any other error ──▶ paused (pauses.ts), then waited for again
 *
 * One turn:
 * 1. Each active lane, oldest first, queues a burst of reads, as long as burst slots are left.
 * 2. One `submit` carries out the writes of the turn before and these reads.
 * 3. Each frame goes through xmit and the stages of its lane, if any (lane/stage.ts), and is queued for writing.
 *
 * One lane reads at most BURST_MAX (GRO_BURST_MAX) frames and about BURST_BYTES before another lane has its turn. This
 * bounds how long a flood can delay other lanes.
 *
 * Invariant: a slot is never read into before its frame has left. The next `submit` writes the frames of a turn out,
 * unless they were copied into the hold (lane/hold.ts), and the two halves of the slots alternate.
 */
import { EAGAIN, EBADFD, ECANCELED, EFAULT, EINTR, EINVAL } from '../abi/errno.js'
import * as counter from '../counters.js'
import { checkVnetHdr, vnetOffloads } from '../frame/virtio-net-hdr.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT } from '../io/frame-io.js'
import { BURST_SLOTS, MAX_LANES, SLOT_BYTES } from '../io/slab.js'
import { Hold, LaneHold } from '../lane/hold.js'
import type { Lane } from '../lane/lane.js'
import type { StageContext, StageKind } from '../lane/stage.js'
import { Chain, STAGES } from '../lane/stages.js'
import { vethXmit } from '../lane/xmit.js'
import type { Receiver, StageSettings } from '../messages.js'
import { Deadlines } from './deadlines.js'
import { Pauses } from './pauses.js'
import {
  ACTIVE,
  BURST_MAX,
  BURST_MIN,
  GONE,
  GRO_BURST_MAX,
  hasMore,
  IDLE,
  LaneList,
  PAUSED,
  ServedLane,
} from './served-lane.js'
import { Writes } from './writes.js'

/** The kind of a turn: no frame, a few bytes, more bytes, or a lane's longest burst came back full. */
export const TURN_IDLE = 0
export const TURN_TRICKLED = 1
export const TURN_CARRIED = 2
export const TURN_FLOODED = 3

/** Up to this many bytes, a turn's time goes into the number of its frames, not into copying them. */
const TRICKLE_BYTES = 16384

/** Receives reports about lanes. `errno` is negative. */
export interface LaneListener {
  /** The lane's device is gone. Reported once. */
  gone(lane: number, errno: number): void
  /** A read from the lane's device failed; the worker tries again from time to time. Reported once. */
  readFailed(lane: number, errno: number): void
  /**
   * The kernel refuses a kind of super-frame. `offloads`: the TUN_F_* bits to withdraw. Reported once for each kind.
   */
  refused(lane: number, offloads: number): void
}

export class Scheduler implements CompletionSink {
  readonly #io: FrameIo
  readonly #mem: Uint8Array
  readonly #listener: LaneListener
  readonly #lanes: (ServedLane | undefined)[] = new Array(MAX_LANES).fill(undefined)
  readonly #kinds: readonly StageKind[]
  readonly #writes: Writes
  readonly #hold: Hold
  /** Lanes that read in this turn, oldest first; `#next` collects those that read in the next turn. */
  #active = new LaneList()
  #next = new LaneList()
  /** Lanes that counted something in this turn. */
  readonly #touched = new LaneList()
  readonly #deadlines = new Deadlines()
  readonly #pauses = new Pauses()
  /** Lanes that ended in this turn, and those of the turn before, which are removed when their last writes are done. */
  #ended: ServedLane[] = []
  #leaving: ServedLane[] = []
  #half = 0
  /** Bytes read in this turn. */
  #bytes = 0

  /** `kinds`: the stages that lanes may have. Tests pass their own. */
  constructor(io: FrameIo, listener: LaneListener, kinds = STAGES) {
    this.#io = io
    this.#mem = io.mem
    this.#listener = listener
    this.#kinds = kinds
    this.#writes = new Writes(io)
    this.#hold = new Hold((offset, len) => io.discard(offset, len))
  }

  add(lane: Lane, fromFd: number, toFd: number, stages: StageSettings): void {
    this.#io.addLane(lane.index, fromFd, toFd)
    const served = new ServedLane(lane)
    this.#lanes[lane.index] = served
    this.#setStages(served, stages)
    this.#io.wait(lane.index)
  }

  /** Tells a lane the new address, MTU and stages of its receiving device. */
  setReceiver(index: number, receiver: Receiver): void {
    const served = this.#lanes[index]
    if (served === undefined || served.state === GONE) return
    served.lane.setReceiver(receiver)
    this.#setStages(served, receiver.stages)
  }

  #setStages(served: ServedLane, settings: StageSettings): void {
    served.burstMax = settings.gro ? GRO_BURST_MAX : BURST_MAX
    if (served.chain === null && Object.values(settings).every((own) => own == null)) return
    const chain = served.chain ?? new Chain(this.#kinds, this.#contextOf(served))
    served.chain = chain.set(settings) ? chain : null
    chain.endTurn(performance.now(), false) // for frames that a stage passed on when it ended
    this.#deadlines.add(served)
  }

  #contextOf(served: ServedLane): StageContext {
    const { lane } = served
    const touch = () => this.#touch(served)
    return {
      lane,
      mem: this.#mem,
      hold: new LaneHold(this.#hold, this.#mem),
      output: {
        receive: (off, len) => {
          touch()
          this.#writes.frame(lane, off, len)
        },
        receiveRun: (run) => {
          touch()
          this.#writes.run(lane, run)
        },
      },
      counted: touch,
      drop: (reason, frames = 1) => {
        touch()
        lane.counters.burst[reason] += frames
      },
    }
  }

  /** A further refusal of these offloads is to be reported again. */
  tellAgain(index: number, offloads: number): void {
    const served = this.#lanes[index]
    if (served !== undefined) served.refused &= ~offloads
  }

  /** Ends a lane. `onRemoved` is called within the next turns, when no operation of the lane is pending. */
  remove(index: number, onRemoved: () => void): void {
    const served = this.#lanes[index]
    if (served === undefined) {
      onRemoved()
      return
    }
    served.onRemoved = onRemoved
    if (served.state === IDLE) this.#io.cancelWait(index)
    else if (served.state === GONE) this.#ended.push(served)
    else if (served.state === PAUSED) {
      this.#pauses.forget(served)
      this.#retire(served)
    }
  }

  /**
   * Runs one turn of all lanes and returns its kind (TURN_*). Waits up to `timeoutMs` for a frame when no lane is
   * active.
   */
  turn(timeoutMs: number): number {
    const leaving = this.#ended
    this.#ended = this.#leaving
    this.#leaving = leaving
    this.#bytes = 0
    if (this.#pauses.any) this.#endPauses()
    const served = this.#queueReads()
    this.#writes.submitting()
    this.#hold.submitting()
    this.#io.submit(this.#active.length > 0 || leaving.length > 0 ? 0 : this.#untilDue(timeoutMs))
    this.#io.reap(this)
    this.#hold.submitted()
    this.#endStages()
    const flooded = this.#endBursts(served)
    const carried = this.#touched.length > 0
    this.#foldCounters()
    if (leaving.length > 0) this.#forgetAll(leaving)
    if (flooded) return TURN_FLOODED
    if (!carried) return TURN_IDLE
    return this.#bytes <= TRICKLE_BYTES ? TURN_TRICKLED : TURN_CARRIED
  }

  /** How long the turn may wait: until the first deadline of a held frame or the end of the first pause. */
  #untilDue(timeoutMs: number): number {
    if (this.#deadlines.any) timeoutMs = this.#deadlines.timeLeft(performance.now(), timeoutMs)
    return this.#pauses.any ? this.#pauses.timeLeft(performance.now(), timeoutMs) : timeoutMs
  }

  #endPauses(): void {
    const now = performance.now()
    for (let served = this.#pauses.takeEnded(now); served !== undefined; served = this.#pauses.takeEnded(now))
      this.#await(served)
  }

  #await(served: ServedLane): void {
    served.state = IDLE
    this.#io.wait(served.lane.index)
  }

  /** Queues reads for the active lanes, oldest first. Returns the number of lanes that got any. */
  #queueReads(): number {
    let slot = MAX_LANES + this.#half * BURST_SLOTS
    const end = slot + BURST_SLOTS
    this.#half ^= 1
    let served = 0
    const active = this.#active
    for (; served < active.length && slot < end; served++) {
      const lane = active.items[served]
      lane.asked = Math.min(lane.size, end - slot)
      lane.got = 0
      lane.bytes = 0
      for (const last = slot + lane.asked; slot < last; slot++) this.#io.read(lane.lane.index, slot)
    }
    for (let i = served; i < active.length; i++) this.#next.push(active.items[i])
    return served
  }

  /** Takes the completion of one operation from the engine. Hot. */
  completed(op: number, index: number, slot: number, result: number): void {
    const served = this.#lanes[index]
    if (served === undefined) return
    if (op === OP_READ) {
      if (result > 0) this.#received(served, slot, result)
      else this.#readFailed(served, result)
    } else if (op === OP_WAIT) {
      if (result > 0) this.#received(served, slot, result)
      else if (result < 0) this.#readFailed(served, result)
      if (served.state === IDLE) this.#wake(served)
    } else this.#writeFailed(served, slot, result)
  }

  #wake(served: ServedLane): void {
    if (served.onRemoved !== null) {
      this.#retire(served)
      return
    }
    served.state = ACTIVE
    served.asked = 0
    served.got = 0
    this.#next.push(served)
  }

  /** Takes a frame of `len` bytes, vnet header first, at the beginning of `slot`. */
  #received(served: ServedLane, slot: number, len: number): void {
    served.got++
    served.bytes += len
    this.#bytes += len
    this.#touch(served)
    const off = slot * SLOT_BYTES
    const toSend = vethXmit(served.lane, this.#mem, off, len)
    if (toSend === 0) return
    if (served.chain === null) this.#writes.frame(served.lane, off, toSend)
    else served.chain.receive(off, toSend)
  }

  /** Handles a read or a wait that brought no frame. A device that is gone answers EBADFD to every call. */
  #readFailed(served: ServedLane, errno: number): void {
    if (errno === -EAGAIN || errno === -EINTR || errno === -ECANCELED) return
    if (errno === -EBADFD) this.#lost(served, errno)
    else if (errno === -EINVAL) {
      served.got++
      this.#undescribed(served)
    } else {
      if (errno === -EFAULT) this.#undescribed(served)
      served.failed = errno
    }
  }

  /**
   * Counts a frame that the kernel had taken from the sender and then dropped without counting it (tun_put_user()).
   * EINVAL: the kernel could not describe it in a vnet header, such as a tunnel's super-frame that was queued when
   * `ethtool -K` switched those off. EFAULT: there was no memory for a page of the slab.
   */
  #undescribed(served: ServedLane): void {
    this.#touch(served)
    served.lane.counters.burst[counter.DROP_UNDESCRIBED]++
  }

  /**
   * Ends the turn of all stages. This must happen before any lane waits again: the frame of a wait may be part of a
   * run, and the next wait reads into the same slot.
   */
  #endStages(): void {
    const touched = this.#touched
    let now = 0
    for (let i = 0; i < touched.length; i++) {
      const served = touched.items[i]
      if (served.chain === null) continue
      if (now === 0) now = performance.now()
      served.chain.endTurn(now, hasMore(served))
      if (served.chain.deadline !== Number.POSITIVE_INFINITY) this.#deadlines.add(served)
    }
    if (this.#deadlines.any) this.#deadlines.endTurns(performance.now())
  }

  /** Handles a failed write of a frame or a run. Its bytes are still at the place that it was written from. */
  #writeFailed(served: ServedLane, ticket: number, result: number): void {
    this.#touch(served)
    this.#writes.failed(served.lane, ticket, result)
    if (result === -EINVAL) this.#superFrameRefused(served, this.#writes.off(ticket), this.#writes.len(ticket))
  }

  /** Reports EINVAL for a super-frame with a correct header: the kernel refuses an offload that it offers. */
  #superFrameRefused(served: ServedLane, off: number, len: number): void {
    const { lane } = served
    const offloads = vnetOffloads(this.#mem, off)
    if ((offloads & ~served.refused) === 0) return
    if (checkVnetHdr(this.#mem, off, len - lane.vnetHdrLen, lane.vnetHdrLen) !== 0) return
    served.refused |= offloads
    this.#listener.refused(lane.index, offloads)
  }

  #touch(served: ServedLane): void {
    if (served.touched) return
    served.touched = true
    this.#touched.push(served)
  }

  #lost(served: ServedLane, errno: number): void {
    if (served.state === GONE) return
    this.#retire(served)
    this.#io.abandon(served.lane.index)
    this.#listener.gone(served.lane.index, errno)
  }

  /** Reads from the lane no more, and lets its stages pass on what they keep. */
  #retire(served: ServedLane): void {
    served.state = GONE
    served.chain?.end()
    served.chain = null
    if (served.onRemoved !== null) this.#ended.push(served)
  }

  /**
   * Decides for each lane that had reads whether it stays active. A lane whose burst came back full does, behind the
   * lanes that got no reads and those that woke up. Returns whether a lane was flooded, that is, read the most frames
   * that it may. A burst that was bounded by its bytes is no flood but a bulk transfer, whose receiver keeps up.
   */
  #endBursts(servedCount: number): boolean {
    let flooded = false
    const active = this.#active
    const next = this.#next
    for (let i = 0; i < servedCount; i++) {
      const served = active.items[i]
      if (served.state === GONE) continue
      if (served.onRemoved !== null) this.#retire(served)
      else if (served.failed !== 0) this.#pause(served)
      else if (served.got === served.asked) {
        flooded ||= served.got === served.burstMax
        served.size = Math.min(served.longestBurst, served.size * 2)
        next.push(served)
      } else {
        served.size = Math.max(BURST_MIN, Math.min(served.longestBurst, served.got + 1))
        served.failures = 0
        this.#await(served)
      }
    }
    active.clear()
    this.#active = next
    this.#next = active
    return flooded
  }

  #pause(served: ServedLane): void {
    if (!served.told) this.#listener.readFailed(served.lane.index, served.failed)
    served.told = true
    served.failed = 0
    served.state = PAUSED
    this.#io.abandon(served.lane.index)
    this.#pauses.add(served, performance.now())
  }

  #foldCounters(): void {
    const touched = this.#touched
    for (let i = 0; i < touched.length; i++) {
      touched.items[i].touched = false
      touched.items[i].lane.counters.fold()
    }
    touched.clear()
  }

  #forgetAll(leaving: ServedLane[]): void {
    for (const served of leaving) {
      this.#io.removeLane(served.lane.index)
      this.#lanes[served.lane.index] = undefined
      served.onRemoved?.()
    }
    leaving.length = 0
  }
}
