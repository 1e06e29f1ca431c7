/** The builders of the control API's schemas make what typebox's own make. */
import t from 'tap'
import { Type as TypeBox } from 'typebox'
import { Value } from 'typebox/value'
import { Type } from '../../../src/api/schema-builders.js'

/** One schema that uses every builder, with and without options. */
function sample(T: typeof Type) {
  const inner = T.Object(
    { name: T.String({ pattern: '^a' }), mtu: T.Optional(T.Integer({ minimum: -1, maximum: 7 })) },
    { additionalProperties: false },
  )
  return T.Object({
    ...inner.properties,
    up: T.Optional(T.Boolean({ description: 'whether' })),
    inner,
    none: T.Object({}, { additionalProperties: false }),
    list: T.Array(T.String()),
    one: T.Union([T.Literal('a'), T.Literal('b'), T.Null()], { description: 'which' }),
    any: T.Optional(T.Record(T.String(), T.Union([T.Integer(), T.Boolean(), T.Null({ description: 'nothing' })]))),
  })
}

t.test('schemas are what typebox itself would make', async (t) => {
  const ours = sample(Type)
  // typebox keeps notes of its own in members that are not enumerable
  t.same(JSON.parse(JSON.stringify(ours)), JSON.parse(JSON.stringify(sample(TypeBox))))
  const good = { name: 'ab', inner: { name: 'a', mtu: 3 }, none: {}, list: ['x'], one: null, any: { x: 1 } }
  t.ok(Value.Check(ours, good))
  for (const bad of [{ name: 'b' }, { inner: { name: 'a', more: 1 } }, { none: { x: 1 } }, { one: 'c' }, { mtu: 8 }])
    t.notOk(Value.Check(ours, { ...good, ...bad }), JSON.stringify(bad))
  const { name: _, ...without } = good
  t.notOk(Value.Check(ours, without), 'a member that is required')
})
