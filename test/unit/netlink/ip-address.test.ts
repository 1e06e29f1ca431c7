/** Conversion of IP addresses between text and bytes. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { formatIpAddress, parseIpAddress, parseIpPrefix } from '../../../src/netlink/ip-address.js'

t.test('addresses are their bytes in network order', async (t) => {
  t.same(parseIpAddress('192.168.1.200'), { family: 2, bytes: Uint8Array.of(192, 168, 1, 200) })
  t.same(parseIpAddress('fe80::1').bytes, Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
  t.same(parseIpAddress('::').bytes, new Uint8Array(16))
  t.same(parseIpAddress('1:2:3:4:5:6:7:8').bytes, Uint8Array.of(0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8))
  t.same(parseIpAddress('::ffff:10.0.0.1').bytes.slice(10), Uint8Array.of(0xff, 0xff, 10, 0, 0, 1))
})

t.test('a prefix without a length is a host', async (t) => {
  t.equal(parseIpPrefix('10.0.0.1').prefixLength, 32)
  t.equal(parseIpPrefix('fd00::1').prefixLength, 128)
  t.equal(parseIpPrefix('0.0.0.0/0').prefixLength, 0)
  t.equal(parseIpPrefix('fd00::/64').prefixLength, 64)
})

t.test("what is no prefix is refused with iproute2's words and exit code", async (t) => {
  for (const text of [
    '',
    'zz',
    '300.1.1.1/24',
    '1.1.1.1/33',
    '1.1.1.1/x',
    '1.1.1.1/',
    '1.1.1.1/24/1',
    'fe80::1%lo/64',
  ]) {
    t.throws(
      () => parseIpPrefix(text),
      { code: 'ARGUMENT_INVALID', exit: 1, iproute2: `Error: any valid prefix is expected rather than "${text}".` },
      text,
    )
  }
  const iproute2 = 'Error: any valid address is expected rather than "zz".'
  t.throws(() => parseIpAddress('zz'), { code: 'ARGUMENT_INVALID', iproute2 })
  t.throws(() => parseIpAddress('fe80::1%lo'), { code: 'ARGUMENT_INVALID' })
})

t.test('text and bytes go back and forth', async () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const { bytes } = parseIpAddress(text)
      return Buffer.compare(parseIpAddress(formatIpAddress(bytes)).bytes, bytes) === 0
    }),
  )
  fc.assert(fc.property(fc.ipV4(), (text) => formatIpAddress(parseIpAddress(text).bytes) === text))
})

const NO_PYTHON = spawnSync('python3', ['-V']).error === undefined ? false : 'needs python3'

t.test('IPv6 is written as inet_ntop writes it', { skip: NO_PYTHON }, async (t) => {
  // Words of few values, so that runs of zeros of every length and place come up.
  const word = fc.constantFrom(0, 0, 0, 1, 0xffff, 0xab0)
  const samples = fc.sample(fc.array(word, { minLength: 8, maxLength: 8 }), 500)
  const hex = samples.map((words) => words.map((value) => value.toString(16).padStart(4, '0')).join(''))
  const python = 'import socket,sys\nfor l in sys.stdin: print(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(l)))'
  const oracle = spawnSync('python3', ['-c', python], { input: hex.join('\n'), encoding: 'utf8' })
  t.same(
    hex.map((line) => formatIpAddress(Buffer.from(line, 'hex'))),
    oracle.stdout.trim().split('\n'),
  )
})
