/** Loading the addon: its functions, and the error if it is missing. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { type Native, native } from '../../../native-bindings/index.js'
import { doorUrl, temporaryFolder } from './helpers.js'

/** The compiler holds this list and the interface together, in both directions. */
const names: Record<keyof Native, 'takes arguments' | 'takes none'> = {
  tapOpen: 'takes arguments',
  tapGetInterface: 'takes arguments',
  tapGetFeatures: 'takes arguments',
  tapSetVnetHdrSize: 'takes arguments',
  tapSetOffload: 'takes arguments',
  tapSetCarrier: 'takes arguments',
  tapGetNetns: 'takes arguments',
  tapSetFilter: 'takes arguments',
  close: 'takes arguments',
  eventfd: 'takes none',
  eventfdSignal: 'takes arguments',
  eventfdClear: 'takes arguments',
  read: 'takes arguments',
  write: 'takes arguments',
  watch: 'takes arguments',
  duplicate: 'takes arguments',
  netnsCreate: 'takes none',
  netnsCurrent: 'takes none',
  netnsOpen: 'takes arguments',
  netnsOpenBelow: 'takes arguments',
  netnsOpenOfProcess: 'takes arguments',
  netnsReopen: 'takes arguments',
  uringSetup: 'takes arguments',
  uringRegisterFilesSparse: 'takes arguments',
  uringUpdateFile: 'takes arguments',
  uringEnter: 'takes arguments',
  uringClose: 'takes arguments',
  slabCreate: 'takes arguments',
  memoryDiscard: 'takes arguments',
  ioBatch: 'takes arguments',
  aioSetup: 'takes none',
  aioDestroy: 'takes arguments',
  epollCreate: 'takes none',
  epollAdd: 'takes arguments',
  epollRemove: 'takes arguments',
  epollWait: 'takes arguments',
  netlinkOpen: 'takes arguments',
  netlinkSetOption: 'takes arguments',
  socketSetReceiveBuffer: 'takes arguments',
  netlinkSend: 'takes arguments',
  netlinkReceive: 'takes arguments',
  waitReadable: 'takes arguments',
  unixSendDatagram: 'takes arguments',
  peerCredentials: 'takes arguments',
  peerPidfd: 'takes arguments',
  pidfdOpen: 'takes arguments',
  pidfdGetFd: 'takes arguments',
  pidfdGetNetns: 'takes arguments',
  ethtool: 'takes arguments',
  bpfCreateArrayMap: 'takes arguments',
  bpfMapMemory: 'takes arguments',
  bpfLoadProgram: 'takes arguments',
  setThreadName: 'takes arguments',
  setThreadAffinity: 'takes arguments',
  getThreadAffinity: 'takes none',
  yieldThread: 'takes none',
  abi: 'takes none',
}

t.test('the addon offers the functions of the Native interface and no others', async (t) => {
  t.same(Object.keys(native()).sort(), Object.keys(names).sort())
})

t.test('every function that is called without its arguments throws a TypeError that names itself', async (t) => {
  for (const [name, kind] of Object.entries(names)) {
    if (kind === 'takes none') continue
    const call = native()[name as keyof Native] as () => unknown
    t.throws(call, {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message: new RegExp(`^${name}: "\\w+" must be `),
    })
  }
})

t.test('an addon that is not built is an error that says what to run', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'dist/native-bindings'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const copy = join(folder, 'dist/native-bindings/index.js')
  cpSync(fileURLToPath(doorUrl), copy)
  const door = (await import(pathToFileURL(copy).href)) as typeof import('../../../native-bindings/index.js')
  t.throws(() => door.native(), {
    message: `the native addon is not built: run "npm run build:native" in ${folder} (it needs gcc and libc6-dev)`,
  })
})

t.test('the ABI table holds numbers, and says for which of them the headers were too old', async (t) => {
  const { values, missing } = native().abi()
  t.equal(values.AF_NETLINK, 16)
  t.equal(values.SQE_SIZE, 64)
  t.equal(values.EPOLLET, 0x80000000, 'unsigned')
  t.equal(values.NETNSA_NSID_NOT_ASSIGNED, -1, 'signed')
  for (const name of missing) t.type(values[name], 'number', `${name} has compat.h's value`)
})
