/** Medians and their confidence intervals. */

/** The middle value; for an even count, the mean of the middle two. */
export function median(sample: number[]): number {
  const sorted = [...sample].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const RESAMPLES = 2000

/**
 * The 95 % bootstrap interval of the median: of the medians of samples drawn from `sample` with replacement, the middle
 * 95 %. The draws are the same each time, so that the same results always make the same page.
 */
export function interval(sample: number[]): [low: number, high: number] {
  const draw = generator()
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(sample.map(() => sample[Math.floor(draw() * sample.length)])),
  ).sort((a, b) => a - b)
  return [medians[Math.floor(0.025 * RESAMPLES)], medians[Math.ceil(0.975 * RESAMPLES) - 1]]
}

/** Pseudo-random numbers from 0 to 1: a linear congruential generator modulo 2^32. */
function generator(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
