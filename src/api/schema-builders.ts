/**
 * The builders that schema.ts uses: typebox's types, and the JSON schemas that typebox's own would make
 * (test/unit/api/schema-builders.test.ts compares them). typebox itself is imported for its types only: loading its 300
 * modules took a fifth of the CPU time of a daemon's start.
 */
import type { TSchema, Type as TypeBox } from 'typebox'

type Builders = Pick<
  typeof TypeBox,
  'Array' | 'Boolean' | 'Integer' | 'Literal' | 'Null' | 'Object' | 'Optional' | 'Record' | 'String' | 'Union'
>

/** The schemas of members that an object need not have. */
const optional = new WeakSet<object>()

const builders = {
  Array: (items: TSchema, options?: object) => ({ type: 'array', items, ...options }),
  Boolean: (options?: object) => ({ type: 'boolean', ...options }),
  Integer: (options?: object) => ({ type: 'integer', ...options }),
  Literal: (value: string, options?: object) => ({ type: 'string', const: value, ...options }),
  Null: (options?: object) => ({ type: 'null', ...options }),
  Object(properties: Record<string, TSchema>, options?: object) {
    const required = Object.keys(properties).filter((name) => !optional.has(properties[name]))
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options }
  },
  Optional(schema: TSchema) {
    const copy = { ...schema }
    optional.add(copy)
    return copy
  },
  /** The key is always any string. */
  Record: (_key: TSchema, value: TSchema) => ({ type: 'object', patternProperties: { '^.*$': value } }),
  String: (options?: object) => ({ type: 'string', ...options }),
  Union: (anyOf: TSchema[], options?: object) => ({ anyOf, ...options }),
}

export const Type = builders as unknown as Builders
