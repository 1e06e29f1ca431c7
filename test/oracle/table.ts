/** The table: every row, by theme. A row more is a line more in one of these files. */
import type { Row } from './row.js'
import { CARRIER } from './rows/carrier.js'
import { COUNTERS } from './rows/counters.js'
import { CREATION } from './rows/creation.js'
import { DATAGRAMS } from './rows/datagrams.js'
import { DIFFERENCES } from './rows/differences.js'
import { ETHERNET } from './rows/ethernet.js'
import { GRO } from './rows/gro.js'
import { LIFE } from './rows/life.js'
import { MTU } from './rows/mtu.js'
import { OFFLOADS } from './rows/offloads.js'
import { REFUSALS } from './rows/refusals.js'
import { XDP } from './rows/xdp.js'

export const TABLE: Record<string, Row[]> = {
  creation: CREATION,
  refusals: REFUSALS,
  carrier: CARRIER,
  mtu: MTU,
  counters: COUNTERS,
  'life and death': LIFE,
  ethernet: ETHERNET,
  offloads: OFFLOADS,
  gro: GRO,
  xdp: XDP,
  datagrams: DATAGRAMS,
  differences: DIFFERENCES,
}
