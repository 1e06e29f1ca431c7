/**
 * The refusals of validate.ts compared with those of `ip link add … type veth`: the same values, texts and exit codes.
 * Where a TAP can do less than a veth, vethd refuses more values; these are listed below.
 */
import t from 'tap'
import type { VethdError } from '../../src/errors.js'
import { validatePair } from '../../src/veth/birth/validate.js'
import type { EndOptions } from '../../src/veth/options.js'
import { missing, Topology } from './harness/topology.js'

/** Options of an end, and how `ip` is told the same. */
const VALUES: [options: EndOptions, words: string[]][] = [
  ...[
    'x',
    'fifteen-bytes-x',
    'sixteen-bytes-xx',
    'a/b',
    'a b',
    'a\tb',
    'a:b',
    '.',
    '..',
    '...',
    'ä',
    'x%',
    'x%s',
    'x%dy',
    'x%d%d',
    'x%%d',
    '-x',
    '@',
    'à',
    'em\u2003space',
  ].map((name): [EndOptions, string[]] => [{ name }, [name]]),
  ...[
    '02:00:00:00:00:01',
    '2:0:0:0:0:1',
    '00:00:00:00:00:00',
    '01:00:00:00:00:01',
    'ff:ff:ff:ff:ff:ff',
    '02:00:00:00:00',
    '02:00:00:00:00:01:02',
    '02:00:00:00:00:g',
    '02:00:00:00:00:100',
  ].map((address): [EndOptions, string[]] => [{ address }, ['address', address]]),
  ...['ff:ff:ff:ff:ff:ff', '01:02:03:04:05:06', 'ff:ff'].map((broadcast): [EndOptions, string[]] => [
    { broadcast },
    ['broadcast', broadcast],
  ]),
  ...[0, 67, 68, 1500, 65521, 65536].map((mtu): [EndOptions, string[]] => [{ mtu }, ['mtu', String(mtu)]]),
  ...[0, 1, 2, 256, 4097].map((count): [EndOptions, string[]] => [
    { numTxQueues: count, numRxQueues: count },
    ['numtxqueues', String(count), 'numrxqueues', String(count)],
  ]),
]

t.test('what vethd refuses and how it says so', { skip: missing('ip') }, async (t) => {
  const oracle = await Topology.of(t).namespace('oracle')
  for (const [options, words] of VALUES) {
    const asDev = options.name === undefined ? ['one', ...words] : words
    const { code, stderr } = await oracle.run(['ip', 'link', 'add', ...asDev, 'type', 'veth', 'peer', 'name', 'peer'])
    const refusal = refused({ dev: { name: 'one', ...options }, peer: { name: 'peer' } })
    t.equal(refusal?.exit ?? 0, code, `"${words.join(' ')}": exit code`)
    t.equal(refusal?.iproute2 ?? '', firstLine(stderr), `"${words.join(' ')}": words`)
    await oracle.run('ip link del peer')
  }
})

t.test('an address that ip misreads is refused', async (t) => {
  for (const address of ['02:00:00:00:00:0g', '02-00-00-00-00-01', '02:00:00:00:00:1 '])
    t.match(refused({ dev: { address }, peer: {} }), { code: 'ADDRESS_INVALID' }, address)
})

t.test('what a veth can have and a TAP cannot', async (t) => {
  const peer = { name: 'peer' }
  for (const dev of [{ mtu: 65522 }, { mtu: 65535 }, { numTxQueues: 257, numRxQueues: 257 }, { numTxQueues: 2 }])
    t.ok(refused({ dev: { name: 'dev', ...dev }, peer }), JSON.stringify(dev))
})

/** What `ip` says first; of a bare name it says "dev" where after the keyword it says "name". */
function firstLine(stderr: string): string {
  return stderr.split('\n')[0].replace('"dev" not', '"name" not')
}

function refused(options: Parameters<typeof validatePair>[0]): VethdError | undefined {
  try {
    validatePair(options)
  } catch (error) {
    return error as VethdError
  }
  return undefined
}
