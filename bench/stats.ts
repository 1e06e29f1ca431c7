/** Medians, and how sure one can be of them. */

/** The median; the mean of the middle two where there are two. */
export function median(sample: number[]): number {
  const sorted = [...sample].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const RESAMPLES = 2000

/**
 * The interval that holds the median of 95 % of the samples that one gets by drawing from `sample` with replacement
 * (the bootstrap). The draws are the same each time: what is generated twice must be alike.
 */
export function interval(sample: number[]): [low: number, high: number] {
  const draw = generator()
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(sample.map(() => sample[Math.floor(draw() * sample.length)])),
  ).sort((a, b) => a - b)
  return [medians[Math.floor(0.025 * RESAMPLES)], medians[Math.ceil(0.975 * RESAMPLES) - 1]]
}

/** Numbers from 0 to 1: a linear congruential generator modulo 2^32. */
function generator(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
