/**
 * Checks what this machine grants the calling process: device node, capabilities, kernel features; each is one Check of the
 * `doctor`. It reads only /dev and /proc, so that `vethctl doctor` can use it too if no daemon answers. Neighbours:
 * daemon/routes/doctor.ts, cli/commands/doctor.ts.
 */
import { closeSync, constants, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { CAP_BPF, CAP_NET_ADMIN, CAP_NET_BROADCAST, CAP_SYS_ADMIN, CAP_SYS_PTRACE } from '../abi/capability.js'
import type { Check } from './schema.js'

/** Paths of the kernel's files; tests use others. */
export interface MachinePaths {
  tun: string
  proc: string
}

const PATHS: MachinePaths = { tun: '/dev/net/tun', proc: '/proc' }

/** Misc character device 10:200 (Documentation/admin-guide/devices.txt), as st_rdev encodes it. */
const TUN_RDEV = (10 << 8) | 200

/** `without`: the effect if vethd lacks an optional capability. */
const CAPABILITIES: { name: string; bit: number; required: boolean; purpose: string; without?: string }[] = [
  { name: 'CAP_NET_ADMIN', bit: CAP_NET_ADMIN, required: true, purpose: 'makes and configures devices' },
  { name: 'CAP_SYS_ADMIN', bit: CAP_SYS_ADMIN, required: true, purpose: 'enters network namespaces' },
  {
    name: 'CAP_NET_BROADCAST',
    bit: CAP_NET_BROADCAST,
    required: false,
    purpose: 'notices changes by others to a device at once',
    without: 'changes by others to a device are noticed up to 250 ms late',
  },
  {
    name: 'CAP_BPF',
    bit: CAP_BPF,
    required: false,
    purpose: 'drops frames that are too long at the sender, as veth does',
    without: 'frames that are too long are dropped later, and the sender gets no error',
  },
  {
    name: 'CAP_SYS_PTRACE',
    bit: CAP_SYS_PTRACE,
    required: false,
    purpose: 'serves clients of another user, or with more capabilities than vethd',
    without: 'requests of clients of another user, or with more capabilities than vethd, are refused',
  },
]

/** All checks, the most important first. */
export function checkMachine(paths: MachinePaths = PATHS): Check[] {
  return [checkDeviceNode(paths.tun), ...checkCapabilities(paths.proc), ...checkKernel(paths.proc)]
}

/** Opening the clone device creates no network device; TUNSETIFF does. */
function checkDeviceNode(path: string): Check {
  const check = { name: path, required: true }
  const remedy = `as root: mkdir -p /dev/net && mknod ${path} c 10 200 && chmod 666 ${path}`
  try {
    const { rdev } = statSync(path)
    if (rdev !== TUN_RDEV)
      return { ...check, ok: false, detail: `not the TUN/TAP device (character 10:200): ${remedy}` }
    closeSync(openSync(path, constants.O_RDWR))
    return { ...check, ok: true, detail: 'can be opened' }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { ...check, ok: false, detail: `does not exist: ${remedy}` }
    if (code === 'ENXIO' || code === 'ENODEV') {
      return { ...check, ok: false, detail: `${code}: the kernel has no TUN/TAP driver: modprobe tun` }
    }
    return { ...check, ok: false, detail: `${code}: this process may not open it (in a container: --device ${path})` }
  }
}

/** CapEff of /proc/self/status: 64 bits in hexadecimal. */
function checkCapabilities(proc: string): Check[] {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`${proc}/self/status`, 'utf8'))
  const mask = BigInt(`0x${effective?.[1] ?? '0'}`)
  return CAPABILITIES.map(({ name, bit, required, purpose, without }) => {
    const ok = ((mask >> BigInt(bit)) & 1n) === 1n
    return { name, ok, required, detail: ok ? purpose : `missing: ${without ?? `${purpose}; run as root`}` }
  })
}

function checkKernel(proc: string): Check[] {
  const namespaces = existsSync(`${proc}/self/ns/net`)
  return [
    {
      name: 'network namespaces',
      ok: namespaces,
      required: true,
      detail: `Linux ${release()}${namespaces ? '' : ', without CONFIG_NET_NS'}`,
    },
    checkUring(proc),
  ]
}

/** Checks only the sysctl. The engine's probe finds out whether a ring can be created. */
function checkUring(proc: string): Check {
  const check = { name: 'io_uring', required: false }
  let disabled = '0'
  try {
    disabled = readFileSync(`${proc}/sys/kernel/io_uring_disabled`, 'utf8').trim()
  } catch {
    // kernels before 6.6 do not have this sysctl
  }
  if (disabled === '0') return { ...check, ok: true, detail: 'not forbidden by sysctl' }
  return { ...check, ok: false, detail: `kernel.io_uring_disabled=${disabled}: the poll engine serves instead` }
}
