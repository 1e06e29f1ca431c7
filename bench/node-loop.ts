/**
 * node-loop FD FD: joins two TAP devices as a Node program would with two file descriptors and fs.
 *
 * A read waits in a thread of libuv's pool, so each direction alternates between a read and a write. There are no
 * offloads: the program does not handle a vnet header. Neighbour: subjects/peers.ts, which opens the devices.
 */
import { read, write } from 'node:fs'

const LONGEST_FRAME = 65536 + 18

function relay(from: number, to: number): void {
  const frame = Buffer.alloc(LONGEST_FRAME)
  const next = () => {
    read(from, frame, 0, frame.length, null, (error, length) => {
      if (error) process.exit(1)
      write(to, frame, 0, length, null, next) // EIO: the device is down and the frame is lost
    })
  }
  next()
}

const [left, right] = process.argv.slice(2).map(Number)
relay(left, right)
relay(right, left)
console.log('ready')
