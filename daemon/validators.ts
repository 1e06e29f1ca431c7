/**
 * What judges requests by their schemas (src/api/schema.ts): ajv. It is loaded at the first request, and a schema is compiled
 * at the first request that it judges: most of a daemon's start was once spent on schemas that nobody used.
 *
 * Neighbours: server.ts gives it to fastify; problem.ts words what it found wrong.
 */
import { createRequire } from 'node:module'
import type { Ajv, AnySchema, ErrorObject } from 'ajv'

const require = createRequire(import.meta.url)

let ajv: Ajv | undefined

/** A request says what it means: nothing is converted, nothing that is not understood is dropped. */
function judge(): Ajv {
  const { Ajv: Judge } = require('ajv') as typeof import('ajv')
  return new Judge({ addUsedSchema: false })
}

/** What fastify wants of a validator: it answers whether `data` is right, and its `errors` say what is not. */
interface Validator {
  (data: unknown): boolean
  errors?: ErrorObject[] | null
}

export function validatorOf({ schema }: { schema: AnySchema }): Validator {
  let compiled: Validator | undefined
  const validator: Validator = (data) => {
    ajv ??= judge()
    compiled ??= ajv.compile(schema) as Validator
    const isRight = compiled(data)
    validator.errors = compiled.errors
    return isRight
  }
  return validator
}
