/**
 * The lanes of one worker and their turns: who may read next, and how much.
 *
 *              a frame came                      burst full: size doubles, again
 *      ┌──────┐ ─────────▶ ┌────────┐ ───────────────────────────────────┐
 *      │ idle │            │ active │ ◀──────────────────────────────────┘
 *      └──────┘ ◀───────── └────────┘
 *              drained (-EAGAIN)    EBADFD ──▶ gone: reported once, never asked again
 *                                   any other error ──▶ paused (pauses.ts), then waited for again
 *
 * One turn: the active lanes, oldest first, queue a burst of reads each, as long as burst slots are left; one `submit`
 * carries out the writes of the turn before and these reads; what was read goes through xmit, and GRO where that is on, and
 * is queued for writing. So what one lane reads before another has its turn is bounded by BURST_MAX (GRO_BURST_MAX), and so
 * is what a flood can take.
 *
 * Invariant: what a turn has read is written out by the next `submit`, or was copied into a held slot (holding.ts), and the
 * halves alternate, so a slot is never read into before its frame has left.
 */
import { EAGAIN, EBADF, EBADFD, ECANCELED, EFAULT, EINTR, EINVAL, EIO, ENOBUFS, ENOMEM } from '../abi/errno.js'
import type { GroRun } from '../frame/gro-run.js'
import { checkVnetHdr, vnetHdrLen, vnetOffloads } from '../frame/virtio-net-hdr.js'
import { type CompletionSink, type FrameIo, OP_READ, OP_WAIT } from '../io/frame-io.js'
import { BURST_SLOTS, MAX_LANES, SLOT_BYTES, SLOT_COUNT } from '../io/slab.js'
import * as counter from '../veth/counters.js'
import { Gro, type GroOutput, type GroSettings } from '../veth/gro.js'
import { type Lane, vethXmit } from '../veth/xmit.js'
import { HeldSlots, Holding } from './holding.js'
import type { Receiver } from './messages.js'
import { Pauses } from './pauses.js'
import { ACTIVE, BURST_MIN, burstMax, GONE, hasMore, IDLE, LaneList, PAUSED, ServedLane } from './served-lane.js'

/** What a turn came to: nothing, a few bytes, more, or the longest burst of a lane, full. */
export const TURN_IDLE = 0
export const TURN_TRICKLED = 1
export const TURN_CARRIED = 2
export const TURN_FLOODED = 3

/** Bytes of a turn up to which it is the messages that take the time, and not their bytes. */
const TRICKLE_BYTES = 16384

/** What is told about a lane. `errno` is negative. */
export interface LaneListener {
  /** Its device is gone; told once. */
  gone(lane: number, errno: number): void
  /** Reading from its device failed, and is tried again from time to time; told once. */
  readFailed(lane: number, errno: number): void
  /** The kernel refuses a kind of super-frame, in TUN_F_* that would end it; told once a kind. */
  refused(lane: number, offloads: number): void
}

export class Lanes implements CompletionSink, GroOutput {
  readonly #io: FrameIo
  readonly #mem: Uint8Array
  readonly #listener: LaneListener
  readonly #lanes: (ServedLane | undefined)[] = new Array(MAX_LANES).fill(undefined)
  /** Bytes queued for writing from each slot, to take a frame's count back when its write fails. */
  readonly #written = new Int32Array(SLOT_COUNT)
  /** Frames that went into that write: more than one where GRO has merged them. */
  readonly #frames = new Int32Array(SLOT_COUNT)
  /** Lanes with a turn to come, oldest first; `#next` collects those of the turn after. */
  #active = new LaneList()
  #next = new LaneList()
  /** Lanes that counted something in this turn. */
  readonly #touched = new LaneList()
  readonly #heldSlots = new HeldSlots()
  readonly #holding = new Holding()
  readonly #pauses = new Pauses()
  /** Lanes that ended in this turn, and those of the turn before: forgotten once their last writes are carried out. */
  #ended: ServedLane[] = []
  #leaving: ServedLane[] = []
  #half = 0
  /** Bytes that this turn has read. */
  #bytes = 0

  constructor(io: FrameIo, listener: LaneListener) {
    this.#io = io
    this.#mem = io.mem
    this.#listener = listener
  }

  add(lane: Lane, fromFd: number, toFd: number, gro: GroSettings | null): void {
    this.#io.addLane(lane.index, fromFd, toFd)
    const served = new ServedLane(lane)
    this.#lanes[lane.index] = served
    this.#setGro(served, gro)
    this.#io.wait(lane.index)
  }

  /** The receiving device is another than before: its address, its MTU, or what is merged for it. */
  setReceiver(index: number, receiver: Receiver): void {
    const served = this.#lanes[index]
    if (served === undefined) return
    served.lane.setReceiver(receiver)
    this.#setGro(served, receiver.gro)
  }

  #setGro(served: ServedLane, settings: GroSettings | null): void {
    if (settings === null) {
      served.gro?.end()
      served.gro = null
    } else if (served.gro === null) served.gro = new Gro(served.lane, settings, this.#mem, this)
    else served.gro.settings = settings
  }

  /** A refusal of these offloads is told again, should it come. */
  tellAgain(index: number, offloads: number): void {
    const served = this.#lanes[index]
    if (served !== undefined) served.refused &= ~offloads
  }

  /** Ends a lane; `onRemoved` is called once nothing of it is under way, within the next turns. */
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

  /** One turn of all lanes, TURN_*; waits up to `timeoutMs` for a frame when none has a turn to come. */
  turn(timeoutMs: number): number {
    const leaving = this.#ended
    this.#ended = this.#leaving
    this.#leaving = leaving
    this.#bytes = 0
    if (this.#pauses.any) this.#endPauses()
    const served = this.#queueReads()
    this.#io.submit(this.#active.length > 0 || leaving.length > 0 ? 0 : this.#untilDue(timeoutMs))
    this.#io.reap(this)
    this.#endRuns()
    const flooded = this.#endBursts(served)
    const carried = this.#touched.length > 0
    this.#foldCounters()
    if (leaving.length > 0) this.#forgetAll(leaving)
    if (flooded) return TURN_FLOODED
    if (!carried) return TURN_IDLE
    return this.#bytes <= TRICKLE_BYTES ? TURN_TRICKLED : TURN_CARRIED
  }

  /** How long to wait: no longer than a held run may, or a paused lane has to. */
  #untilDue(timeoutMs: number): number {
    if (this.#holding.any) timeoutMs = this.#holding.timeLeft(performance.now(), timeoutMs)
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

  /** Gives the active lanes their reads, oldest first; the number of lanes that got any. */
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
      if (lane.gro?.holds) this.#touch(lane)
      for (const last = slot + lane.asked; slot < last; slot++) this.#io.read(lane.lane.index, slot)
    }
    for (let i = served; i < active.length; i++) this.#next.push(active.items[i])
    return served
  }

  /** An engine's answer to one operation. Hot. */
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

  /** A frame: `len` bytes from its vnet header on, at the beginning of `slot`. */
  #received(served: ServedLane, slot: number, len: number): void {
    served.got++
    this.#bytes += len
    this.#touch(served)
    const off = slot * SLOT_BYTES
    const toSend = vethXmit(served.lane, this.#mem, off, len)
    if (toSend === 0) return
    if (served.gro === null) this.writeFrame(served.lane, slot, toSend)
    else served.gro.receive(slot, toSend)
  }

  /** A read, or a wait, that brought no frame. A device that is gone says EBADFD, to each who asks. */
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
   * The kernel dropped a frame that it had taken for us, and counts it nowhere (tun_put_user()): one that it could not describe, a
   * super-frame in a tunnel that was queued when `ethtool -K` switched those off, or (EFAULT) one that our memory had no page for.
   */
  #undescribed(served: ServedLane): void {
    this.#touch(served)
    served.lane.counters.burst[counter.DROP_UNDESCRIBED]++
  }

  writeFrame(lane: Lane, slot: number, len: number): void {
    this.#written[slot] = len
    this.#frames[slot] = 1
    this.#io.write(lane.index, slot, slot * SLOT_BYTES, len)
  }

  writeRun(lane: Lane, run: GroRun): void {
    const slot = run.off / SLOT_BYTES
    this.#written[slot] = run.len
    this.#frames[slot] = run.frames
    this.#io.writev(lane.index, slot, run.pieces, run.pieceCount)
  }

  /** A held slot for a run, or -1. */
  takeSlot(): number {
    return this.#heldSlots.take()
  }

  giveSlot(slot: number): void {
    this.#heldSlots.give(slot)
  }

  counted(lane: Lane): void {
    this.#touch(this.#lanes[lane.index]!)
  }

  /**
   * Before any lane waits again: a wait's frame may be part of a run, and the next one lands in the same slot. The first bursts
   * after a wait are short, and what was sent at once would be torn apart: runs go on until there is no more, or the burst is long.
   */
  #endRuns(): void {
    this.#heldSlots.submitted()
    const touched = this.#touched
    for (let i = 0; i < touched.length; i++) {
      const served = touched.items[i]
      const { gro } = served
      if (gro === null) continue
      if (gro.settings.flushUs !== 0) this.#holding.add(gro)
      else if (hasMore(served)) gro.keepRuns()
      else gro.endBurst(0)
    }
    if (this.#holding.any) this.#holding.endBursts(performance.now())
  }

  /** The frame did not arrive, or the frames of a run: counted as sent, they move to a drop with a reason. */
  #writeFailed(served: ServedLane, slot: number, result: number): void {
    this.#touch(served)
    const counts = served.lane.counters.burst
    const frames = this.#frames[slot]
    const merged = frames > 1 ? (frames - 1) * vnetHdrLen(this.#mem, slot * SLOT_BYTES) : 0 // headers that it has once
    counts[counter.SENT_PACKETS] -= frames
    counts[counter.SENT_BYTES] -= this.#written[slot] - served.lane.vnetHdrLen + merged
    counts[dropReason(result)] += frames
    if (result === -EINVAL) this.#superFrameRefused(served, slot)
  }

  /** EINVAL although the header is right: this kernel does not take what it offers. The frame is still in its slot. */
  #superFrameRefused(served: ServedLane, slot: number): void {
    const { lane } = served
    const off = slot * SLOT_BYTES
    const offloads = vnetOffloads(this.#mem, off)
    if ((offloads & ~served.refused) === 0) return
    if (checkVnetHdr(this.#mem, off, this.#written[slot] - lane.vnetHdrLen, lane.vnetHdrLen) !== 0) return
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

  /** A lane is asked for nothing any more. What it holds goes on its way. */
  #retire(served: ServedLane): void {
    served.state = GONE
    served.gro?.end()
    if (served.onRemoved !== null) this.#ended.push(served)
  }

  /**
   * Those whose burst came back full go on, behind the lanes that had no turn and those that woke up. Whether one had as long
   * a burst as there is.
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
        const longest = burstMax(served)
        flooded ||= served.got === longest
        served.size = Math.min(longest, served.size * 2)
        next.push(served)
      } else {
        served.size = Math.max(BURST_MIN, Math.min(burstMax(served), served.got + 1))
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

/** The counter of a failed write, by its errno. */
function dropReason(errno: number): number {
  if (errno === -EIO) return counter.DROP_PEER_DOWN
  if (errno === -EBADFD || errno === -EBADF) return counter.DROP_PEER_GONE
  if (errno === -EINVAL) return counter.DROP_BAD_VNET_HDR
  if (errno === -ENOMEM || errno === -ENOBUFS || errno === -EAGAIN) return counter.DROP_NO_MEMORY
  return counter.DROP_WRITE_ERROR
}
