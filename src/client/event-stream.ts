/**
 * Server-sent events as the daemon writes them (daemon/routes/events.ts): a subset of the format, with LF as the end of
 * a line and one line of data. Neighbour: client.ts.
 */

/** One message. Without data it only tells the current position in the stream. */
export interface StreamMessage {
  id?: string
  data?: string
}

/** Parses messages from chunks of text. Omits a last message that no empty line ends. */
export async function* readEventStream(chunks: AsyncIterable<string>): AsyncGenerator<StreamMessage> {
  let rest = ''
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) yield readMessage(block)
  }
}

function readMessage(block: string): StreamMessage {
  const message: StreamMessage = {}
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) message.id = line.slice('id: '.length)
    else if (line.startsWith('data: ')) message.data = line.slice('data: '.length)
  }
  return message
}
