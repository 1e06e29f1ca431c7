#!/usr/bin/env node
/**
 * Builds the native addon, native-bindings/build/Release/vethd.node, by one call of the C compiler and without a
 * network.
 *
 *   node scripts/build-native.mjs [--nodedir DIR] [--force]
 *
 * It is plain JavaScript, because it runs before any TypeScript is compiled, and in an installed package. It looks for
 * Node's headers in this order:
 *   1. --nodedir DIR, or npm_config_nodedir: a node prefix (DIR/include/node) or source tree (DIR/src),
 *   2. the prefix of the running node, if its package includes headers,
 *   3. the node-api-headers package; the addon uses only Node-API, so any version of the package works with any node.
 * Does nothing if the addon is newer than its sources and can be loaded.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const folder = fileURLToPath(new URL('../native-bindings', import.meta.url))
const addon = join(folder, 'build/Release/vethd.node')

const FLAGS = ['-std=c11', '-O2', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-shared', '-pthread']
const DEFINES = ['-D_GNU_SOURCE', '-DNAPI_VERSION=9']

/** Prints in one line why the build cannot run, and exits. */
function fail(message) {
  console.error(`build-native: ${message}`)
  process.exit(1)
}

function sourceFiles(pattern) {
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
}

/** Whether the addon can be loaded. One built for another architecture or C library cannot. */
function isUpToDate() {
  if (!existsSync(addon)) return false
  const built = statSync(addon).mtimeMs
  return [...sourceFiles(/\.[ch]$/), import.meta.filename].every((file) => statSync(file).mtimeMs <= built) && loads()
}

function loads() {
  try {
    require(addon)
    return true
  } catch {
    return false
  }
}

function runs(command, args, input = '') {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

/**
 * The C compiler: $CC, or the first of the usual names. It must find the headers of the C library and of the kernel.
 */
function findCompiler() {
  const candidates = process.env.CC ? [process.env.CC] : ['gcc', 'cc', 'clang']
  const compiler = candidates.find((command) => runs(command, ['--version']))
  const program = '#include <stdio.h>\n#include <linux/io_uring.h>\n'
  const missing =
    compiler === undefined
      ? candidates[0]
      : runs(compiler, ['-fsyntax-only', '-x', 'c', '-'], program)
        ? undefined
        : 'the C headers (libc6-dev)'
  if (missing !== undefined) fail(`cannot find ${missing}; on Debian: apt-get install gcc libc6-dev`)
  return compiler
}

/** The header folders in a node prefix or a source tree. */
function headersIn(nodedir) {
  return ['include/node', 'src'].map((sub) => join(nodedir, sub)).find((path) => existsSync(join(path, 'node_api.h')))
}

/** The first location that has headers. A directory that the user names must have them. */
function findHeaders(argument) {
  const asked = argument ?? process.env.npm_config_nodedir
  if (asked) {
    return headersIn(resolve(asked)) ?? fail(`--nodedir ${resolve(asked)} holds no include/node/node_api.h`)
  }
  const own = headersIn(dirname(dirname(realpathSync(process.execPath))))
  if (own !== undefined) return own
  try {
    return require('node-api-headers').include_dir
  } catch {
    return fail("found no Node headers: npm install node-api-headers, or give node's prefix with --nodedir DIR")
  }
}

/** Replaces the addon by rename(2), so that a process that has loaded the old file keeps it. */
function build(compiler, headers) {
  mkdirSync(dirname(addon), { recursive: true })
  const built = `${addon}.${process.pid}`
  const args = [...FLAGS, ...DEFINES, `-I${headers}`, ...sourceFiles(/\.c$/), '-o', built]
  const { status, error } = spawnSync(compiler, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) fail(`${compiler} failed${error === undefined ? ', see above' : `: ${error.message}`}`)
  renameSync(built, addon)
}

const { values: options } = parseArgs({ options: { nodedir: { type: 'string' }, force: { type: 'boolean' } } })
if (!options.force && isUpToDate()) process.exit(0)
const compiler = findCompiler()
const headers = findHeaders(options.nodedir)
build(compiler, headers)
console.log(`build-native: built ${addon} with ${compiler} and the headers in ${headers}`)
