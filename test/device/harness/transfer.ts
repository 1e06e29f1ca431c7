/**
 * Sends bytes through sockets and checks every one of them. It runs as a program inside the namespaces.
 *
 *   node transfer.js serve PORT               TCP and UDP: echoes all data; prints "ready" when it listens
 *   node transfer.js tcp HOST PORT BYTES      sends that many random bytes and compares the SHA-256 of the echo
 *   node transfer.js udp HOST PORT DATAGRAMS  sends datagrams of many sizes and compares each echo
 *
 * The TCP server receives everything before it sends it back, so that each direction runs at full speed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const UDP_ANSWER_MS = 1000

/** Reads to the end of the stream. Unlike node:stream/consumers it leaves our own half of the connection open. */
async function swallow(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

async function serve(port: number): Promise<void> {
  const tcp = createServer({ allowHalfOpen: true }, async (socket) => socket.end(await swallow(socket)))
  tcp.listen(port, '::')
  const udp = createSocket('udp6', (datagram, from) => udp.send(datagram, from.port, from.address))
  udp.bind(port, '::')
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  console.log('ready')
}

async function sendTcp(host: string, port: number, bytes: number): Promise<void> {
  const payload = randomBytes(bytes)
  const socket = connect({ host, port, allowHalfOpen: true })
  socket.end(payload)
  const answer = await swallow(socket)
  const [sent, received] = [payload, answer].map((data) => createHash('sha256').update(data).digest('hex'))
  if (sent !== received) throw new Error(`sent ${bytes} bytes ${sent}, got ${answer.length} bytes ${received}`)
  console.log(`${bytes} bytes there and back, sha256 ${sent}`)
}

/** Sizes from one byte to a whole 1500-byte packet over IPv6, one datagram at a time. */
async function sendUdp(host: string, port: number, datagrams: number): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  for (let i = 0; i < datagrams; i++) {
    const datagram = randomBytes(1 + ((i * 7) % 1452))
    socket.send(datagram, port, host)
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(UDP_ANSWER_MS) })
    if (!datagram.equals(answer)) throw new Error(`datagram ${i} of ${datagram.length} bytes came back changed`)
  }
  socket.close()
  console.log(`${datagrams} datagrams there and back`)
}

const [action, ...words] = process.argv.slice(2)
if (action === 'serve') await serve(Number(words[0]))
if (action === 'tcp') await sendTcp(words[0], Number(words[1]), Number(words[2]))
if (action === 'udp') await sendUdp(words[0], Number(words[1]), Number(words[2]))
