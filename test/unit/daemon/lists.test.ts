/** Lists that are asked for at the same time: one answer for all that wait, and never an answer that was begun before. */
import t from 'tap'
import { Lists } from '../../../daemon/lists.js'

/** What a list is made of: its number. */
function counted() {
  let made = 0
  return () => Buffer.from(String(++made))
}

t.test('those that wait together get one answer', async (t) => {
  const lists = new Lists()
  const make = counted()
  const answers = await Promise.all([lists.inTurn('1', make), lists.inTurn('1', make), lists.inTurn('1', make)])
  t.same(answers.map(String), ['1', '1', '1'])
})

t.test('who asks while an answer is made, or later, gets another one', async (t) => {
  const lists = new Lists()
  const make = counted()
  let meanwhile: Promise<Buffer> | undefined
  const first = await lists.inTurn('1', () => {
    meanwhile ??= lists.inTurn('1', make)
    return make()
  })
  t.same([first, await meanwhile, await lists.inTurn('1', make)].map(String), ['1', '2', '3'])
})

t.test('who asks for something else gets that', async (t) => {
  const lists = new Lists()
  const answers = await Promise.all(['1', '2'].map((key) => lists.inTurn(key, () => Buffer.from(key))))
  t.same(answers.map(String), ['1', '2'])
})

t.test('when it fails, all that wait are told, and the next one is made again', async (t) => {
  const lists = new Lists()
  const fail = () => {
    throw new Error('out of files')
  }
  const failed = await Promise.allSettled([lists.inTurn('1', fail), lists.inTurn('1', fail)])
  t.match(failed, [{ reason: { message: 'out of files' } }, { reason: { message: 'out of files' } }])
  t.equal(String(await lists.inTurn('1', counted())), '1')
})
