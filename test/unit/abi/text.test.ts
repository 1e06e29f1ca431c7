/**
 * Text that the kernel treats as bytes, compared with Python, whose convention it follows (PEP 383), and through JSON.
 */
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { decodeText, encodeText, isBroken } from '../../../src/abi/text.js'

/** Whole characters, cut ones, and bytes that begin none. */
const BYTES = fc
  .array(fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.string({ unit: 'grapheme', maxLength: 2 })), { maxLength: 6 })
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array))))

t.test('any bytes come back as they were, also by way of JSON', async (t) => {
  fc.assert(
    fc.property(BYTES, (bytes) => {
      const text = decodeText(bytes)
      return bytes.equals(encodeText(text)) && text === JSON.parse(JSON.stringify(text)) && !isBroken(text)
    }),
  )
  t.equal(decodeText(Uint8Array.of(0x61, 0xff, 0xfe)), 'a\udcff\udcfe')
  t.equal(JSON.stringify('\udcff'), '"\\udcff"')
})

t.test('text is what Python makes of the same bytes', async (t) => {
  const samples = fc.sample(BYTES, 500)
  const script = `import json, sys
for line in sys.stdin: print(json.dumps(bytes.fromhex(line).decode("utf-8", "surrogateescape")))`
  const input = samples.map((bytes) => `${bytes.toString('hex')}\n`).join('')
  const lines = execFileSync('python3', ['-c', script], { input, encoding: 'utf8' }).trimEnd().split('\n')
  t.same(
    samples.map((bytes) => decodeText(bytes)),
    lines.map((line) => JSON.parse(line)),
  )
})

t.test('half of a surrogate pair that stands for no byte is told from the others', async (t) => {
  t.ok(['\ud83d', 'a\ude00', '\udc7f'].every(isBroken))
  t.notOk(['', 'veth1', 'é', '\u{1f600}', '\udc80\udcff'].some(isBroken))
})
