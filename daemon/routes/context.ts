/** What the routes are given: the driver, the registry over it, and what a `doctor` tells of the daemon itself. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Driver } from '../../src/veth/driver.js'
import type { Registry } from '../pairs.js'

export interface RouteContext {
  driver: Driver
  registry: Registry
}

/** Fastify whose handlers take their types from the schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
