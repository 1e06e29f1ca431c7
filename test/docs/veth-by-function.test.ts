/**
 * docs/veth.c-by-function.md holds: every file of its middle column exists and declares what the column names in it,
 * and no function that a reader of veth.c looks for is missing from the first.
 *
 * A cell of the middle column is `file`: `name`, `name`; `file`: … or the word "nothing". Neighbour: paths.test.ts, for
 * the paths in the rest of the text.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../../..')
const page = readFileSync(join(ROOT, 'docs/veth.c-by-function.md'), 'utf8')

interface Row {
  kernel: string
  here: string
  differs: string
}

/** The tables' rows, without their heads. */
function rowsOf(text: string): Row[] {
  const lines = text.split('\n').filter((line) => line.startsWith('| ') && !/^\| (veth\.c|---) \|/.test(line))
  return lines.map((line) => {
    const [kernel = '', here = '', differs = '', ...rest] = line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1)
    if (rest.length > 0) throw new Error(`a row of more than three cells: ${line}`)
    return { kernel, here, differs }
  })
}

/** Everything that a TypeScript file declares, members too, `#private` ones with their `#`. */
function declaredIn(file: string): Set<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    const { name } = node as Partial<ts.NamedDeclaration>
    const declares = !ts.isImportSpecifier(node) && !ts.isParameter(node) && !ts.isPropertyAccessExpression(node)
    if (declares && name !== undefined && (ts.isIdentifier(name) || ts.isPrivateIdentifier(name))) names.add(name.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest))
  return names
}

/** What is wrong with a cell of the middle column. */
function problemsOf(here: string): string[] {
  if (here === 'nothing') return []
  const problems: string[] = []
  for (const part of here.split(/;\s*/)) {
    const [, file, names] = /^`([\w./-]+\.ts)`: (`[#\w]+`(?:, `[#\w]+`)*)$/.exec(part) ?? []
    if (file === undefined) problems.push(`not "\`file\`: \`name\`, …": ${part}`)
    else if (!existsSync(join(ROOT, file))) problems.push(`${file} does not exist`)
    else {
      const declared = declaredIn(file)
      const missing = [...names.matchAll(/[#\w]+/g)].map(([name]) => name).filter((name) => !declared.has(name))
      problems.push(...missing.map((name) => `${file} does not declare ${name}`))
    }
  }
  return problems
}

/** What a reader of drivers/net/veth.c looks for: the functions of 6.12 by which it is known, and those of 2.6.3x. */
const LOOKED_FOR = `
  veth_priv veth_rq veth_stats veth_rq_stats veth_net_stats veth_init veth_exit veth_link_ops veth_policy
  veth_netdev_ops veth_ethtool_ops ether_setup NETIF_F_LLTX veth_validate is_valid_veth_mtu veth_get_num_queues veth_newlink veth_setup
  veth_disable_gro veth_dev_init veth_alloc_queues veth_init_queues err_register_peer err_configure_peer
  err_register_dev err_alloc_name err_queues veth_open veth_close veth_change_mtu max_mtu veth_set_multicast_list
  veth_poll_controller veth_xmit veth_forward_skb eth_type_trans netif_rx veth_skb_is_eligible_for_gro
  veth_gro_requested veth_poll veth_napi_enable veth_napi_del veth_fix_features veth_set_features veth_xdp
  veth_xdp_set veth_xdp_rcv veth_xdp_xmit veth_ndo_xdp_xmit veth_peer_dev veth_get_stats64 veth_get_stats
  veth_stats_rx veth_stats_tx veth_get_link_ksettings veth_get_settings veth_get_drvinfo veth_get_strings
  veth_get_sset_count veth_get_ethtool_stats veth_get_channels veth_set_channels get_ts_info veth_get_rx_csum
  veth_get_iflink veth_get_link_net veth_set_rx_headroom veth_dellink veth_dev_free veth_free_queues`
  .trim()
  .split(/\s+/)

t.test('every row names files that exist and what they declare', async (t) => {
  const rows = rowsOf(page)
  t.ok(rows.length > 50, 'the rows are found')
  for (const { kernel, here } of rows) t.same(problemsOf(here), [], kernel)
})

t.test('every row says what differs', async (t) => {
  t.same(
    rowsOf(page).filter(({ differs }) => differs === ''),
    [],
  )
})

t.test('everything that a reader of veth.c looks for has a row', async (t) => {
  const named = new Set(rowsOf(page).flatMap(({ kernel }) => kernel.match(/\w+/g) ?? []))
  t.same(
    LOOKED_FOR.filter((name) => !named.has(name)),
    [],
  )
})

t.test('outside the tables no line is longer than 130 columns', async (t) => {
  t.same(
    page.split('\n').filter((line) => line.length > 130 && !line.startsWith('|')),
    [],
  )
})

t.test('what does not exist is found', async (t) => {
  t.same(problemsOf('`src/lane/xmit.ts`: `vethXmit`; `src/worker/scheduler.ts`: `#received`'), [])
  t.same(problemsOf('`src/lane/xmit.ts`: `veth_xmit`'), ['src/lane/xmit.ts does not declare veth_xmit'])
  t.same(problemsOf('`src/lane/xmit.ts`: `ethTypeTrans`'), ['src/lane/xmit.ts does not declare ethTypeTrans'])
  t.same(problemsOf('`src/veth/gone.ts`: `vethXmit`'), ['src/veth/gone.ts does not exist'])
  t.same(problemsOf('`vethXmit`'), ['not "`file`: `name`, …": `vethXmit`'])
})
