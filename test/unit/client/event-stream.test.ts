/** Server-sent events, split at any place into chunks. */
import t from 'tap'
import { readEventStream } from '../../../src/client/event-stream.js'

const TEXT = 'id: 7-0\n\nid: 7-1\nevent: carrier\ndata: {"a":"id: x"}\n\nevent: added\ndata: {}\n\nid: 7-2\ndata: {'

t.test('messages are read however they are cut, and a message that is not ended is none', async (t) => {
  for (let size = 1; size <= TEXT.length; size++) {
    async function* chunks() {
      for (let at = 0; at < TEXT.length; at += size) yield TEXT.slice(at, at + size)
    }
    const messages = []
    for await (const message of readEventStream(chunks())) messages.push(message)
    t.same(messages, [{ id: '7-0' }, { id: '7-1', data: '{"a":"id: x"}' }, { data: '{}' }], `in pieces of ${size}`)
  }
})
