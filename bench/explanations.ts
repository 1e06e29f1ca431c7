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
  /** Shares of CPU time by thread and function, as perf shows them. */
  profile: string
}

export const EXPLANATIONS: Explanation[] = []
