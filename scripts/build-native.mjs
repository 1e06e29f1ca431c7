#!/usr/bin/env node
/**
 * Builds the native addon: native-bindings/build/Release/vethd.node, with node-gyp and without a network.
 *
 *   node scripts/build-native.mjs [--nodedir DIR] [--force]
 *
 * Runs before any TypeScript is compiled, so it is plain JavaScript. Node's headers are looked for in this order:
 *   1. --nodedir DIR, or npm_config_nodedir: a node prefix (DIR/include/node) or source tree (DIR/src),
 *   2. the prefix of the running node, when its package brought headers,
 *   3. the node-api-headers package; Node-API is all that the addon uses, so any version of it serves any node.
 * Does nothing while the addon is newer than everything it is made of.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const folder = fileURLToPath(new URL('../native-bindings', import.meta.url))
const addon = join(folder, 'build/Release/vethd.node')

/** Says in one line what stops the build, and ends. */
function fail(message) {
  console.error(`build-native: ${message}`)
  process.exit(1)
}

/** All but TypeScript: what the compiler reads. */
function sourceFiles() {
  return readdirSync(folder)
    .filter((name) => /\.(c|h|gyp)$/.test(name))
    .map((name) => join(folder, name))
}

function isUpToDate() {
  if (!existsSync(addon)) return false
  const built = statSync(addon).mtimeMs
  return sourceFiles().every((file) => statSync(file).mtimeMs <= built)
}

function runs(command, args, input = '') {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

/** The C compiler: $CC, or the first of the usual names. Only C is compiled, so no C++ compiler is needed. */
function findCompiler() {
  const candidates = process.env.CC ? [process.env.CC] : ['gcc', 'cc', 'clang']
  return candidates.find((command) => runs(command, ['--version']))
}

function checkTools(compiler) {
  const python = process.env.npm_config_python ?? process.env.PYTHON ?? 'python3'
  const missing = []
  if (!compiler) missing.push(process.env.CC ?? 'gcc')
  else if (!runs(compiler, ['-fsyntax-only', '-x', 'c', '-'], '#include <stdio.h>\n#include <linux/io_uring.h>\n'))
    missing.push('the C headers (libc6-dev)')
  if (!runs('make', ['--version'])) missing.push('make')
  if (!runs(python, ['--version'])) missing.push('python3')
  if (missing.length > 0)
    fail(`cannot find ${missing.join(', ')}; on Debian: apt-get install gcc libc6-dev make python3`)
}

function hasHeaders(nodedir) {
  return ['include/node', 'src'].some((sub) => existsSync(join(nodedir, sub, 'node_api.h')))
}

/** What node-gyp insists on beside headers: a configuration to build. */
const COMMON_GYPI = `{
  'variables': { 'node_engine%': 'v8', 'standalone_static_library%': 0 },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': {} },
  },
}
`

/** A nodedir made of the node-api-headers package. */
function assembleNodedir() {
  const nodedir = join(folder, 'build/nodedir')
  const target = join(nodedir, 'include/node')
  let headers
  try {
    headers = require('node-api-headers').include_dir
  } catch {
    fail("found no Node headers: run npm ci (node-api-headers), or give node's prefix with --nodedir DIR")
  }
  mkdirSync(target, { recursive: true })
  cpSync(headers, target, { recursive: true })
  writeFileSync(join(target, 'common.gypi'), COMMON_GYPI)
  return nodedir
}

/** `{ nodedir, from }`, the first way that has headers. A directory that was asked for must have them. */
function findNodedir(argument) {
  const asked = [
    [argument, '--nodedir'],
    [process.env.npm_config_nodedir, 'npm_config_nodedir'],
  ].find(([value]) => value)
  if (asked) {
    const nodedir = resolve(asked[0])
    if (!hasHeaders(nodedir)) fail(`${asked[1]} ${nodedir} holds no include/node/node_api.h`)
    return { nodedir, from: asked[1] }
  }
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  if (existsSync(join(prefix, 'include/node/node_api.h'))) return { nodedir: prefix, from: "node's own prefix" }
  return { nodedir: assembleNodedir(), from: 'node-api-headers' }
}

function nodeGyp() {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    return fail('node-gyp is not installed: run npm ci first')
  }
}

/** `configure build`, not `rebuild`: its clean would take the assembled nodedir away. */
function build(compiler, nodedir) {
  const gyp = nodeGyp()
  // gyp links with g++ by default.
  const env = { ...process.env, CC: compiler, LINK: compiler }
  const args = [gyp, 'configure', 'build', '--directory', folder, '--nodedir', nodedir, '--force-process-config']
  const run = spawnSync(process.execPath, [...args, '--loglevel=error'], { env, encoding: 'utf8' })
  if (run.status === 0 && existsSync(addon)) return
  process.stderr.write(`${run.stdout ?? ''}${run.stderr ?? ''}`)
  fail('node-gyp failed, see above')
}

const { values: options } = parseArgs({ options: { nodedir: { type: 'string' }, force: { type: 'boolean' } } })
if (!options.force && isUpToDate()) process.exit(0)
const compiler = findCompiler()
checkTools(compiler)
const { nodedir, from } = findNodedir(options.nodedir)
build(compiler, nodedir)
utimesSync(addon, new Date(), new Date()) // make may have found nothing to do
console.log(
  `build-native: built native-bindings/build/Release/vethd.node with ${compiler} and the headers of ${nodedir} (${from})`,
)
