/**
 * A network for examples that this machine does not use. Dependency-free. Neighbour: start.mjs.
 */
import { execFileSync } from 'node:child_process'

/** Each stands for its /24. The first two are for benchmarks of devices (RFC 2544), the next for documentation (RFC 5737). */
const CANDIDATES = [
  '198.18.0',
  '198.19.0',
  '203.0.113',
  '198.51.100',
  '192.0.2',
  '10.203.0',
  '172.31.203',
  '192.168.203',
]

/** A route that covers this much or more is a default route, often cut in two by a VPN: it does not claim a network. */
const SHORTEST_CLAIM = 8

/** The first three bytes of a /24 that none of the networks overlaps, or undefined. */
export function freeNetwork(networks) {
  const taken = networks.map(parse).filter(({ length }) => length >= SHORTEST_CLAIM)
  const isFree = (candidate) => {
    const ours = parse(`${candidate}.0/24`)
    return taken.every((theirs) => {
      const common = Math.min(ours.length, theirs.length)
      return ours.address >>> (32 - common) !== theirs.address >>> (32 - common)
    })
  }
  return CANDIDATES.find(isFree)
}

/** The IPv4 networks that this machine has addresses in or routes to, as ADDRESS/LENGTH. */
export function networksInUse() {
  const read = (...words) => JSON.parse(execFileSync('ip', ['-j', '-4', ...words], { encoding: 'utf8' }) || '[]')
  const addresses = read('address', 'show').flatMap((link) => link.addr_info)
  const routes = read('route', 'show', 'table', 'all').map(({ dst }) => dst)
  return [
    ...addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ...routes.filter((dst) => dst !== 'default').map((dst) => (dst.includes('/') ? dst : `${dst}/32`)),
  ]
}

function parse(network) {
  const [address, length] = network.split('/')
  const [a, b, c, d] = address.split('.').map(Number)
  return { address: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, length: Number(length) }
}
