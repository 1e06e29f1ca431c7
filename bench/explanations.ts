/**
 * Why a CPU model misses a goal, with a profile that shows it. The page prints an explanation below the goals, for as long
 * as the results miss the goal.
 *
 * Neighbours: goals.ts has the goals; test/docs/benchmarks.test.ts fails if a missed goal has no explanation.
 */
export interface Explanation {
  /** CPU model, as docs/benchmarks.json has it. */
  cpu: string
  /** `what` of the goal. */
  goal: string
  why: string
  /** Where the CPU time goes, by perf. */
  profile: string
}

export const EXPLANATIONS: Explanation[] = [
  {
    cpu: 'AMD EPYC',
    goal: 'TCP round trip during a bulk transfer, to kernel veth',
    why: `The byte waits in the TAP's ring behind frames of the bulk transfer, and again until the worker and then the
receiver have a CPU: two endpoints, two receivers and the worker share 2 CPUs. veth has no ring and no worker. The C loop has
no bursts and needs 2.59 (2.44–3.02) times as long as veth, so most of the wait is not vethd's own.`,
    profile: `
perf record -e cpu-clock, while other programs ran: share of the worker's CPU time, io_uring engine, tcp-rtt-loaded
34 %  copies: _copy_to_iter, _copy_from_iter
15 %  TUN driver, allocation of skbs
12 %  scheduling, wake-ups of the receivers
11 %  TCP/IP of the receiver, in the worker's softirq
 9 %  JavaScript and V8
 8 %  io_uring
11 %  other`,
  },
  {
    cpu: 'AMD EPYC',
    goal: 'TCP connections per second, to kernel veth',
    why: `A connection needs three round trips and carries hardly any bytes. veth answers a SYN in the sender's own softirq.
Behind a TAP device each frame needs the worker to run, and then wakes the receiver. The C loop reaches 0.482 (0.466–0.495)
of veth.`,
    profile: `
perf record -e cpu-clock, while other programs ran: share of the worker's CPU time, io_uring engine, connections
30 %  scheduling, wake-ups, sched_yield while busy-polling
15 %  JavaScript and V8
15 %  TCP/IP of the receiver, in the worker's softirq
13 %  TUN driver, allocation of skbs
 8 %  io_uring
 2 %  copies
17 %  other`,
  },
  {
    cpu: 'AMD EPYC',
    goal: 'TCP, 1 stream, poll engine to io_uring',
    why: `A turn takes two system calls, \`io_submit\` and \`epoll_wait\`, where io_uring takes one. Three longer series, in which
the two engines took turns, gave 0.88 to 1.08 (4 streams 0.93 to 0.98). In seven blocks, the placement of the worker and the
speed of the machine decide: kernel veth itself had 11.4 to 37 Gbit/s in this run.`,
    profile: `
perf record -e cpu-clock, while other programs ran: share of the worker's CPU time, poll engine, tcp-1
37 %  copies: _copy_to_iter, _copy_from_iter
13 %  TUN driver, allocation of skbs
12 %  scheduling, wake-ups, epoll_wait
10 %  JavaScript and V8
 9 %  TCP/IP of the receiver, in the worker's softirq
 4 %  aio
15 %  other`,
  },
]
