/** Capabilities and limits of the machine, read from files that a test can write. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkMachine } from '../../../src/api/machine.js'

/** A /proc with these capabilities and this sysctl. */
function proc(t: Test, capEff: string, uringDisabled?: string): string {
  const folder = t.testdir({ self: { status: `Name:\tvethd\nCapEff:\t${capEff}\n`, ns: { net: '' } } })
  if (uringDisabled !== undefined) {
    mkdirSync(join(folder, 'sys/kernel'), { recursive: true })
    writeFileSync(join(folder, 'sys/kernel/io_uring_disabled'), `${uringDisabled}\n`)
  }
  return folder
}

const verdicts = (paths: { tun: string; proc: string }) =>
  Object.fromEntries(
    checkMachine(paths).map(({ name, ok, required }) => [name, `${required ? 'needed' : 'useful'} ${ok}`]),
  )

t.test('every capability is looked for', async (t) => {
  const all = verdicts({ tun: '/dev/null', proc: proc(t, '000001ffffffffff') })
  for (const name of ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN']) t.equal(all[name], 'needed true')
  for (const name of ['CAP_NET_BROADCAST', 'CAP_BPF', 'CAP_SYS_PTRACE']) t.equal(all[name], 'useful true')
})

t.test('CAP_NET_ADMIN alone is not enough', async (t) => {
  const some = verdicts({ tun: '/dev/null', proc: proc(t, '0000000000001000') })
  t.equal(some.CAP_NET_ADMIN, 'needed true')
  t.equal(some.CAP_SYS_ADMIN, 'needed false')
  t.equal(some.CAP_BPF, 'useful false')
})

t.test('a device node that is missing, or is another device, says how to make it', async (t) => {
  const folder = proc(t, '0')
  const detail = (tun: string) => checkMachine({ tun, proc: folder })[0]
  t.match(detail('/nonexistent/tun'), { ok: false, required: true, detail: /does not exist.*mknod/ })
  t.match(detail('/dev/null'), { ok: false, required: true, detail: /not the TUN\/TAP device/ })
})

t.test('io_uring forbidden by sysctl is no obstacle, but said', async (t) => {
  const uring = (sysctl?: string) => checkMachine({ tun: '/dev/null', proc: proc(t, '0', sysctl) }).at(-1)
  t.match(uring(), { name: 'io_uring', ok: true, required: false })
  t.match(uring('0'), { ok: true })
  t.match(uring('2'), {
    ok: false,
    required: false,
    detail: 'kernel.io_uring_disabled=2: the poll engine serves instead',
  })
})
