/**
 * The checks that the kernel makes for a new veth pair (veth_validate, dev_valid_name, eth_validate_addr). They run
 * before anything is opened, and give the error texts of the kernel and iproute2.
 */
import { EADDRNOTAVAIL, EINVAL, ERANGE } from '../../abi/errno.js'
import { encodeText, isBroken } from '../../abi/text.js'
import { type ErrorDetails, VethdError } from '../../errors.js'
import { parseMac } from '../../lladdr.js'
import {
  CHECKSUM_MODES,
  type EndOptions,
  GRO_FLUSH_US_MAX,
  MTU_MAX,
  MTU_MIN,
  type PairOptions,
  QUEUES_MAX,
  TXQUEUELEN_MAX,
} from '../options.js'

/** IFNAMSIZ less the terminating NUL. */
const NAME_BYTES_MAX = 15
/** The kernel reads names as Latin-1 (lib/ctype.c). In UTF-8 this byte is part of many characters, such as à. */
const NO_BREAK_SPACE = '\xa0'

/** The text of `ip` if the kernel answers EINVAL without a message. */
const INVALID_ARGUMENT = 'RTNETLINK answers: Invalid argument'

export function validatePair({ dev, peer, checksum }: PairOptions): void {
  validateEnd(dev) // rtnl_newlink checks dev before veth_newlink checks the peer
  validateEnd(peer)
  if (checksum !== undefined && !CHECKSUM_MODES.includes(checksum))
    throw new VethdError(
      'CHECKSUM_MODE_INVALID',
      `checksum "${checksum}" is unknown: it must be one of ${CHECKSUM_MODES.join(', ')}`,
    )
}

function validateEnd(end: EndOptions): void {
  if (end.name !== undefined) validateName(end.name)
  if (end.address !== undefined) validateAddress(end.address)
  if (end.broadcast !== undefined) parseMac(end.broadcast)
  if (end.mtu !== undefined) validateMtu(end.mtu, INVALID_ARGUMENT) // veth_validate gives no message
  if (end.txqueuelen !== undefined) validateTxqueuelen(end.txqueuelen)
  validateQueues(end.numTxQueues ?? 1, end.numRxQueues ?? 1)
}

/** The checks of dev_valid_name and, if the name contains a `%`, of dev_alloc_name. */
export function validateName(name: string): void {
  const bytes = encodeText(name).toString('latin1')
  const reason =
    bytes === ''
      ? 'it is empty'
      : bytes.length > NAME_BYTES_MAX
        ? `it has ${bytes.length} bytes, and the kernel allows at most ${NAME_BYTES_MAX}`
        : name === '.' || name === '..'
          ? '"." and ".." are reserved'
          : /[/: \t-\r\0]/.test(bytes)
            ? 'it must not contain "/", ":", NUL or white space'
            : bytes.includes(NO_BREAK_SPACE)
              ? 'it contains the byte a0, which the kernel regards as white space'
              : /%(?!d[^%]*$)/.test(bytes)
                ? '"%" is allowed only once and as "%d", which the kernel replaces by a number'
                : isBroken(name)
                  ? 'it contains half of a surrogate pair, which encodes no bytes'
                  : undefined
  if (reason === undefined) return
  throw new VethdError('NAME_INVALID', `"${name}" cannot be the name of a device: ${reason}`, nameRefusal(name))
}

/** `ip` itself refuses empty names, slashes and white space, and leaves other checks to the kernel. */
function nameRefusal(name: string): ErrorDetails {
  if (!/^[^/ \t-\r]+$/.test(name)) return { iproute2: `Error: argument "${name}" is wrong: "name" not a valid ifname` }
  if (encodeText(name).length > NAME_BYTES_MAX)
    return { iproute2: 'Error: Attribute failed policy validation.', exit: 2 }
  return { iproute2: INVALID_ARGUMENT, exit: 2, errno: -EINVAL }
}

/** Six octets that are neither all zero nor a group address (eth_validate_addr). */
export function validateAddress(address: string): void {
  const octets = parseMac(address)
  const reason =
    (octets[0] & 1) === 1
      ? 'it is a group address'
      : octets.every((octet) => octet === 0)
        ? 'it is all zero'
        : undefined
  if (reason === undefined) return
  throw new VethdError('ADDRESS_REFUSED', `a device cannot have the address ${address}: ${reason}`, {
    iproute2: 'RTNETLINK answers: Cannot assign requested address',
    errno: -EADDRNOTAVAIL,
  })
}

/** `iproute2`: the text of `ip`. The default is the text of dev_validate_mtu for a change of an existing device. */
export function validateMtu(
  mtu: number,
  iproute2 = `Error: mtu ${mtu < MTU_MIN ? 'less than device minimum' : 'greater than device maximum'}.`,
): void {
  if (Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX) return
  const message = `an MTU of ${mtu} is outside ${MTU_MIN}..${MTU_MAX}, the limits of a TAP device`
  throw new VethdError('MTU_INVALID', message, { iproute2, errno: -EINVAL })
}

/** For larger values the kernel answers EPERM, because tun_queue_resize fails in a notifier. */
export function validateTxqueuelen(packets: number): void {
  if (Number.isInteger(packets) && packets >= 0 && packets <= TXQUEUELEN_MAX) return
  const message =
    `a txqueuelen of ${packets} is outside 0..${TXQUEUELEN_MAX}: it is the size of a TAP device's ring, ` +
    'and the kernel cannot allocate a larger ring'
  throw new VethdError('ARGUMENT_INVALID', message, {
    iproute2: 'RTNETLINK answers: Numerical result out of range',
    exit: 2,
    errno: -ERANGE,
  })
}

export function validateGroFlushUs(us: number): void {
  if (Number.isInteger(us) && us >= 0 && us <= GRO_FLUSH_US_MAX) return
  const message = `gro-flush-us ${us} is outside 0..${GRO_FLUSH_US_MAX}: whole microseconds, 0 for none`
  throw new VethdError('ARGUMENT_INVALID', message)
}

function validateQueues(tx: number, rx: number): void {
  const reason =
    !isQueues(tx) || !isQueues(rx)
      ? `a TAP device has 1 to ${QUEUES_MAX}`
      : tx !== rx
        ? 'a TAP device needs equal numbers of transmit and receive queues'
        : undefined
  if (reason === undefined) return
  throw new VethdError('QUEUES_INVALID', `numtxqueues ${tx} numrxqueues ${rx}: ${reason}`, {
    iproute2: isQueues(tx)
      ? isQueues(rx)
        ? INVALID_ARGUMENT
        : 'Error: Invalid number of receive queues.'
      : 'Error: Invalid number of transmit queues.',
    errno: -EINVAL,
  })
}

function isQueues(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= QUEUES_MAX
}
