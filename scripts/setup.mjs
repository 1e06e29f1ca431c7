/**
 * Prepares a fresh clone: Debian packages, npm packages, the native addon, TypeScript; each only if it is missing or older than
 * its sources.
 *
 * Dependency-free: it runs before node_modules exists. Neighbours: start.mjs and test.mjs call it first;
 * build-native.mjs and build-ts.mjs do the two builds.
 *
 * Invariant: it prints what it is about to install, and installs nothing if it is not root.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildTypeScript } from './build-ts.mjs'
import { isMain, root, run, runMain, StepFailed } from './process.mjs'

/**
 * Required commands (or, with a slash, files), and the Debian package of each. g++, make and python3 are for the optional package
 * raw-socket; the project's own addon does not need them.
 */
const TO_BUILD = {
  gcc: 'gcc',
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
  '/usr/include/linux/if_tun.h': 'libc6-dev',
}
const TO_RUN = { ip: 'iproute2', ping: 'iputils-ping' }
const TO_TEST = {
  arping: 'iputils-arping',
  ethtool: 'ethtool',
  iperf3: 'iperf3',
  mnexec: 'mininet',
  nft: 'nftables',
  nsenter: 'util-linux',
  ps: 'procps',
  setpriv: 'util-linux',
  sysctl: 'procps',
  unshare: 'util-linux',
}

/** What test/long needs as well: 21 MB to download, 93 MB on disk. Its systemd is the one that Debian came with. */
const TO_TEST_LONG = { brctl: 'bridge-utils', podman: 'podman', runc: 'runc', systemctl: 'systemd' }

/** What the benchmarks need as well: the programs that they compare with. */
const TO_BENCH = { socat: 'socat', vde_plug2tap: 'vde2', vde_switch: 'vde2' }

/** What each purpose needs. `unit` needs no root and makes no device; ps is for finding processes that tests left over. */
const NEEDED = {
  unit: { ...TO_BUILD, ps: 'procps' },
  start: { ...TO_BUILD, ...TO_RUN },
  test: { ...TO_BUILD, ...TO_RUN, ...TO_TEST },
  long: { ...TO_BUILD, ...TO_RUN, ...TO_TEST, ...TO_TEST_LONG },
  bench: { ...TO_BUILD, ...TO_RUN, ...TO_TEST, ...TO_BENCH },
}

/** Prepares the clone for `purpose`: 'start', 'test', 'long', 'bench' or 'unit'. */
export async function setUp(purpose) {
  // ip and nft are in sbin, which is not on the PATH of a root shell without a login.
  process.env.PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`
  await installDebianPackages(NEEDED[purpose])
  await installNpmPackages()
  await Promise.all([run(process.execPath, [join(root, 'scripts/build-native.mjs')]), buildTypeScript()])
}

async function installDebianPackages(needed) {
  const missing = Object.keys(needed).filter((item) => !isPresent(item))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((item) => needed[item]))].sort()
  const wanted = `${missing.join(', ')} missing`
  if (!isPresent('apt-get')) throw new StepFailed(`${wanted}: install what your system calls ${packages.join(', ')}`)
  if (process.getuid() !== 0) throw new StepFailed(`${wanted}: run "sudo apt-get install ${packages.join(' ')}"`)
  console.log(`vethd: ${wanted}: installing the Debian packages ${packages.join(' ')}`)
  // hides dpkg's hundred lines of progress; errors are on stderr
  const quietly = 'export DEBIAN_FRONTEND=noninteractive; apt-get "$@" -qq >/dev/null'
  await run('sh', ['-c', quietly, 'apt-get', 'update'])
  await run('sh', ['-c', quietly, 'apt-get', 'install', '-y', '--no-install-recommends', ...packages])
}

function isPresent(item) {
  const candidates = item.includes('/') ? [item] : process.env.PATH.split(':').map((folder) => join(folder, item))
  return candidates.some((path) => {
    try {
      accessSync(path, item.includes('/') ? constants.R_OK : constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function installNpmPackages() {
  if (npmPackagesMatch()) return
  console.log('vethd: installing npm packages')
  // raw-socket, which is optional, is compiled against Node's own headers; where Node brought them, offline too.
  const prefix = dirname(dirname(process.execPath))
  const headers = existsSync(join(prefix, 'include/node/node.h')) ? { npm_config_nodedir: prefix } : {}
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], headers)
}

/** Whether node_modules holds what package-lock.json asks for; an optional package may be absent. */
function npmPackagesMatch() {
  const installedPath = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installedPath)) return false
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages
  const { '': _project, ...wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, integrity, optional, peer }]) => {
    const found = installed[path]
    if (found === undefined) return optional === true || peer === true
    return found.version === version && found.integrity === integrity
  })
}

if (isMain(import.meta)) {
  await runMain(async () => {
    const purpose = process.argv[2] ?? 'start'
    if (!(purpose in NEEDED)) throw new StepFailed(`unknown purpose "${purpose}": ${Object.keys(NEEDED).join(', ')}`)
    await setUp(purpose)
    return 0
  })
}
