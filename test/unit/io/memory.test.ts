/**
 * The in-memory engine fulfils the same contract as the real engines, so tests on it are valid for them.
 */
import t from 'tap'
import { MemoryIo } from '../../../src/io/memory.js'
import { type Bench, conformance } from './conformance.js'

function memoryBench(): Bench {
  const io = new MemoryIo()
  return {
    io,
    waits: false,
    openPorts: (count) =>
      Array.from({ length: count }, () => {
        const { fd, port } = io.openPort()
        return {
          fd,
          transmit: (frame) => port.toRead.push(frame),
          receive: () => port.written.shift(),
          setDown: () => {
            port.down = true
          },
          remove: () => {
            port.gone = true
          },
        }
      }),
    wakeUp: () => io.wakeUp(),
    close: () => io.close(),
  }
}

conformance(t, memoryBench)
