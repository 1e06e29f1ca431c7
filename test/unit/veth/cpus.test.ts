/** Lists of CPUs: their text form, and their distribution over workers. */
import fc from 'fast-check'
import t from 'tap'
import { dealCpus, formatCpuList, parseCpuList } from '../../../src/veth/cpus.js'

t.test('a list is read as the kernel reads it', async (t) => {
  for (const [text, cpus] of [
    ['0', [0]],
    ['3,1', [1, 3]],
    ['0-2,5', [0, 1, 2, 5]],
    ['4-4', [4]],
    ['0-3,2-5,1', [0, 1, 2, 3, 4, 5]],
    ['8191', [8191]],
  ] as const)
    t.same(parseCpuList(text), cpus, text)
})

t.test('what is no list is refused', async (t) => {
  for (const text of ['', 'a', '-1', '1-', '3-1', '0,', ',0', '0 1', '1.5', '0x1', '0-8192', '99999'])
    t.throws(() => parseCpuList(text), { code: 'ARGUMENT_INVALID', message: /a list looks like 0-2,5/ }, `"${text}"`)
})

const cpuSet = fc.uniqueArray(fc.nat(200), { minLength: 1 }).map((cpus) => cpus.sort((a, b) => a - b))

t.test('what is written is read again', async () => {
  fc.assert(fc.property(cpuSet, (cpus) => String(parseCpuList(formatCpuList(cpus))) === String(cpus)))
})

t.test('CPUs are dealt out one by one, and shared where there are more workers', async (t) => {
  t.same(dealCpus([0, 1, 2, 3], 2), [
    [0, 2],
    [1, 3],
  ])
  t.same(dealCpus([0, 1, 5], 1), [[0, 1, 5]])
  t.same(dealCpus([4, 5], 3), [[4], [5], [4]])
  t.same(dealCpus([], 2), [[], []], 'none: no worker keeps to any')
})

t.test('every worker has a CPU, and every CPU a worker where there are enough', async () => {
  fc.assert(
    fc.property(cpuSet, fc.integer({ min: 1, max: 20 }), (cpus, workers) => {
      const hands = dealCpus(cpus, workers)
      const dealt = hands.flat()
      return (
        hands.length === workers &&
        hands.every((hand) => hand.length > 0) &&
        new Set(dealt).size === cpus.length &&
        dealt.length === Math.max(workers, cpus.length)
      )
    }),
  )
})
