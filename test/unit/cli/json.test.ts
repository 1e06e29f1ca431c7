/** JSON in iproute2's layout. */
import t from 'tap'
import { formatJson } from '../../../src/cli/json.js'

t.test('a counter past 2^53 keeps all its digits', async (t) => {
  t.equal(formatJson({ bytes: 18446744073709551615n }, false), '{"bytes":18446744073709551615}')
})

t.test('one line has no blanks, and nothing for what is undefined', async (t) => {
  t.equal(
    formatJson([{ a: 'x"y', b: undefined, c: [1, 2], d: {}, e: null, f: true }], false),
    '[{"a":"x\\"y","c":[1,2],"d":{},"e":null,"f":true}]',
  )
})

t.test('pretty is as json_writer.c indents it', async (t) => {
  const link = { ifindex: 3, flags: ['UP', 'LOWER_UP'], stats64: { rx: { bytes: 0n } } }
  t.equal(
    formatJson([link, link].slice(0, 1), true),
    `[ {
        "ifindex": 3,
        "flags": [ "UP","LOWER_UP" ],
        "stats64": {
            "rx": {
                "bytes": 0
            }
        }
    } ]`,
  )
  t.equal(formatJson([], true), '[ ]')
})
