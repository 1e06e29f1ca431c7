/**
 * Names that are not UTF-8, which Linux allows: vethd follows such a device like any other, shows it as `ip` does, byte
 * for byte, and accepts its bytes as a name.
 */
import t from 'tap'
import { Client } from '../../src/client/client.js'
import { until } from '../device/harness/processes.js'
import { missing, startRig, VETHCTL } from './harness.js'

t.setTimeout(120_000)
const skip = missing('ip', 'python3')

/** As bash has it, as the API has it, and as Latin-1, one character a byte. */
const NAME = { bash: String.raw`$'\xff\xfe'`, text: '\udcff\udcfe', bytes: '\xff\xfe' }

const TOO_LONG =
  'import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("veth2", 0)); s.send(bytes(1500))'

t.test('a device whose name is no UTF-8', { skip }, async (t) => {
  const { host, must, daemon } = await startRig(t)
  const client = new Client(daemon.socket)
  t.teardown(() => client.close())
  /** Runs a line of bash, in which `vethctl` is ours; what it writes, one character a byte. */
  const bash = async (line: string) => {
    const vethctl = `vethctl() { ${process.execPath} ${VETHCTL} --socket ${daemon.socket} "$@"; }`
    const script = `set -e -o pipefail; ${vethctl}; { ${line}; } | base64`
    return Buffer.from(await host.do(['bash', '-c', script]), 'base64').toString('latin1')
  }
  const carrier = (on: '0' | '1') =>
    until(`carrier ${on}`, async () => (await host.do('cat /sys/class/net/veth2/carrier')).trim() === on)
  const device = async (dev: string) => (await client.devices({ dev, netns: host.name })).devices[0]

  await bash('vethctl link add veth1 type veth peer name veth2; ip link set veth1 up; ip link set veth2 up mtu 9000')
  await carrier('1')
  await bash(`ip link set veth1 down; ip link set veth1 name ${NAME.bash}`)
  await carrier('0')
  await bash(String.raw`ip link set ${NAME.bash} up mtu 1400 alias $'an alias \xfd'`)
  await carrier('1')
  t.pass('gets its carrier again')

  await t.test('is shown as ip shows it', async (t) => {
    await bash(String.raw`ip link property add dev ${NAME.bash} altname $'\xfa'`)
    for (const options of ['-d', '-p -j -d']) {
      const both = await bash(`ip ${options} link show ${NAME.bash}; echo; vethctl ${options} link show ${NAME.bash}`)
      const [ip, ours] = both.split(/\n\n/)
      const withoutOurs = ours.replace(/,\s*"vethd": \{[^}]*\}/, '').replace(/\n {4}vethd pair .*/, '')
      t.equal(withoutOurs.trimEnd(), ip.trimEnd(), options)
      t.ok(ours.includes(`${NAME.bytes}`) && ours.includes('an alias \xfd') && ours.includes('altname'))
    }
    const other = await bash(
      String.raw`vethctl link show veth2; vethctl stats 1/a; vethctl link show $'\xfe' 2>&1 || :`,
    )
    t.match(other, ` peer ${NAME.bytes} `)
    t.match(other, `\n${NAME.bytes}: pair 1/a `)
    t.match(other, 'Device "\xfe" does not exist.\n')
  })

  await t.test('is an escape in JSON', async (t) => {
    t.match(await device(NAME.text), { ifname: NAME.text, ifalias: 'an alias \udcfd', altnames: ['\udcfa'], mtu: 1400 })
    t.ok(daemon.log.some(({ msg, name, was }) => msg === 'device renamed' && name === NAME.text && was === 'veth1'))
  })

  await t.test('has its MTU followed', async (t) => {
    t.match(await host.run(['python3', '-c', TOO_LONG]), { code: 1, stderr: /No buffer space available/ })
    await bash(`ip link set ${NAME.bash} mtu 1500`)
    await until('room for the frame', async () => (await host.run(['python3', '-c', TOO_LONG])).code === 0)
  })

  await t.test('is changed, made and deleted by its bytes', async (t) => {
    await bash(
      String.raw`vethctl link set ${NAME.bash} name $'\xff\xfc' alias $'\xfe'; printf 'link set \xff\xfc mtu 1200\n' | vethctl -b -`,
    )
    t.match(await device('1/a'), { ifname: '\udcff\udcfc', ifalias: '\udcfe', mtu: 1200 })
    await bash(String.raw`vethctl link add $'x\xfb' type veth peer name $'y\xfb'; vethctl link del $'y\xfb'`)
    t.same((await client.devices()).devices.length, 2)
    await must('link del 1/a')
    t.same(await host.devices(), [])
  })
})
