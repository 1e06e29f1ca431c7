/** The objects that the routes work with: the driver, the registry of its pairs, and its events. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Driver } from '../../src/veth/driver.js'
import type { Events } from '../events.js'
import type { Registry } from '../registry.js'

export interface RouteContext {
  driver: Driver
  registry: Registry
  events: Pick<Events, 'ring' | 'present'>
}

/** Fastify whose handlers take their types from the schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
