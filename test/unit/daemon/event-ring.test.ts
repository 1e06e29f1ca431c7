/** The ring of the last events: the events that a reader gets when it resumes. */
import t from 'tap'
import { EventRing } from '../../../daemon/event-ring.js'

/** A ring of `capacity` that was given the events 1 to `count`. */
function ringOf(capacity: number, count: number): EventRing<number> {
  const ring = new EventRing<number>(capacity, '1000')
  for (let n = 1; n <= count; n++) ring.push(n)
  return ring
}

const replay = (ring: EventRing<number>, id: string) => {
  const { lost, from, entries } = ring.after(id)
  return { lost, from, events: entries.map(({ event }) => event), ids: entries.map(({ id }) => id) }
}

t.test('ids count up from the life of the ring', async (t) => {
  t.equal(ringOf(4, 0).position, '1000-0')
  t.equal(ringOf(4, 9).position, '1000-9')
})

t.test('what came after an id is given again, for every id that is kept', async (t) => {
  for (const count of [0, 1, 3, 4, 5, 8, 9]) {
    const ring = ringOf(4, count)
    for (let n = Math.max(0, count - 4); n <= count; n++) {
      const events = Array.from({ length: count - n }, (_, i) => n + 1 + i)
      const ids = events.map((event) => `1000-${event}`)
      t.same(replay(ring, `1000-${n}`), { lost: false, from: `1000-${n}`, events, ids }, `${n} of ${count}`)
    }
  }
})

t.test('an id older than the ring is lost, and what is kept is given', async (t) => {
  t.match(replay(ringOf(4, 9), '1000-4'), { lost: true, from: '1000-5', events: [6, 7, 8, 9] })
  t.match(replay(ringOf(4, 9), '1000-0'), { lost: true, from: '1000-5', events: [6, 7, 8, 9] })
})

t.test('an id that this ring never gave is lost', async (t) => {
  for (const id of ['999-3', '1000-10', '', '-', '3', '1000-', '1000-x', '1000--1', '11000-3', '1000-3, 1000-3']) {
    t.match(replay(ringOf(4, 9), id), { lost: true, from: '1000-5', events: [6, 7, 8, 9] }, id)
  }
  t.match(replay(ringOf(4, 0), '999-3'), { lost: true, from: '1000-0', events: [] })
})

t.test('whoever left off where lost says is not lost again', async (t) => {
  const ring = ringOf(4, 9)
  t.match(ring.after(ring.after('999-3').from), { lost: false })
})

t.test('a reader gets each event from when it came until it goes', async (t) => {
  const ring = ringOf(4, 2)
  const [one, two]: [string[], string[]] = [[], []]
  const leave = ring.subscribe(({ id, event }) => one.push(`${id} ${event}`))
  ring.push(3)
  ring.subscribe(({ id }) => two.push(id))
  ring.push(4)
  leave()
  ring.push(5)
  t.same(one, ['1000-3 3', '1000-4 4'])
  t.same(two, ['1000-4', '1000-5'])
})

t.test('two lives have two ids', async (t) => {
  t.match(new EventRing().position, /^\d{13}-0$/)
})
