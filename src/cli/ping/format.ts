/**
 * What `vethctl ping` prints: a line for each echo, the advice below one that was lost, and ping's own summary.
 * Neighbours: trace.ts and explain.ts, whose findings these are; commands/ping.ts prints.
 */
import type { Json } from '../json.js'
import type { Loss } from './explain.js'
import { peerPlaceOf, placeOf } from './place.js'
import type { Passage, Stage } from './trace.js'
import type { Way } from './way.js'

/** One echo and what became of it. */
export interface Echo {
  seq: number
  /** Undefined where it had no way to leave by. */
  way?: Way
  forward?: Passage
  answer?: { from: string; rttMs: number }
  loss?: Loss
}

/** `PING 192.0.2.2 from 192.0.2.1 through pair 1, veth1 (netns t1) to veth2: 56 bytes of data` */
export function headText({ target, near, source }: Way, size: number): string {
  const from = source === undefined ? '' : ` from ${source}`
  const ends = `${placeOf(near).name} to ${peerPlaceOf(near)?.name ?? 'a peer that is gone'}`
  return `PING ${target.address}${from} through pair ${near.vethd.pair}, ${ends}: ${size} bytes of data\n`
}

/**
 * ```text
 *   1  192.0.2.2   0.21 ms  sent veth1 > ring > read > host ipv4 > written veth2 > answered
 *   2  192.0.2.9         -  no answer to ARP: no device at the other end has 192.0.2.9
 *                           veth2 (netns t1) has 192.0.2.2/24: ip -n t1 address
 * ```
 */
export function echoText(address: string, { seq, way, forward, answer, loss }: Echo): string {
  const time = answer === undefined ? '-' : `${milliseconds(answer.rttMs)} ms`
  const columns = [String(seq).padStart(3), address, time.padStart(9)].join('  ')
  const passed = way === undefined ? [] : stepTexts(passedOf(forward, loss), forward?.verdict, way)
  const last = answer !== undefined ? ['answered'] : loss === undefined ? [] : [loss.why]
  const others = Object.entries(forward?.others ?? {}).map(([protocol, count]) => `${count} ${protocol}`)
  const beside = answer === undefined || others.length === 0 ? '' : `  (other frames: ${others.join(', ')})`
  const advice = loss === undefined ? '' : `${' '.repeat(columns.length + 2)}${loss.advice}\n`
  return `${columns}  ${[...passed, ...last].join(' > ')}${beside}\n${advice}`
}

/** The stages that a lost echo passed are those up to its loss. */
function passedOf(forward: Passage | undefined, loss: Loss | undefined): Stage[] {
  const passed = forward?.passed ?? []
  if (loss === undefined) return passed
  return loss.after === null ? [] : passed.slice(0, passed.indexOf(loss.after) + 1)
}

function stepTexts(passed: Stage[], verdict: string | undefined, { near }: Way): string[] {
  return passed.map((stage) => {
    if (stage === 'sent') return `sent ${near.ifname}`
    if (stage === 'verdict') return verdict ?? stage
    return stage === 'written' ? `written ${near.vethd.peer}` : stage
  })
}

export function echoJson(address: string, { seq, way, forward, answer, loss }: Echo): Json {
  return {
    seq,
    address,
    answered: answer !== undefined,
    from: answer?.from ?? null,
    rtt_ms: answer === undefined ? null : Number(milliseconds(answer.rttMs)),
    device: way?.near.ifname ?? null,
    pair: way?.near.vethd.pair ?? null,
    side: way?.near.vethd.side ?? null,
    peer: way?.near.vethd.peer ?? null,
    peer_netns: way?.near.vethd.peer_netns ?? null,
    steps: [...passedOf(forward, loss), ...(answer === undefined ? [] : ['answered'])],
    verdict: passedOf(forward, loss).includes('verdict') ? (forward?.verdict ?? null) : null,
    other_frames: forward?.others ?? {},
    lost: loss === undefined ? null : lostJson(loss),
  }
}

function lostJson({ after, reason, certain, why, advice }: Loss): Json {
  return { after, reason, certain, why, advice }
}

/** Ping's last lines; what is sent and how many are answered decides its exit code, too. */
export function summaryText(address: string, sent: number, rttsMs: readonly number[], tookMs: number): string {
  const lost = sent === 0 ? 0 : Number((((sent - rttsMs.length) / sent) * 100).toPrecision(6))
  const counts = `${sent} packets transmitted, ${rttsMs.length} received, ${lost}% packet loss`
  const lines = ['', `--- ${address} ping statistics ---`, `${counts}, time ${Math.round(tookMs)}ms`]
  if (rttsMs.length > 0) {
    const average = mean(rttsMs)
    const deviation = Math.sqrt(Math.max(0, mean(rttsMs.map((rtt) => rtt * rtt)) - average * average))
    const figures = [Math.min(...rttsMs), average, Math.max(...rttsMs), deviation].map((rtt) => rtt.toFixed(3))
    lines.push(`rtt min/avg/max/mdev = ${figures.join('/')} ms`)
  }
  return `${lines.join('\n')}\n`
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}

/** Three digits that count, as ping prints them. */
function milliseconds(rttMs: number): string {
  return rttMs.toFixed(rttMs < 10 ? 2 : rttMs < 100 ? 1 : 0)
}
