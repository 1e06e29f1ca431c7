/**
 * The shape of a row of the oracle's table: one scenario that is played twice, on kernel veth and on vethd, and what has
 * to be the same afterwards.
 *
 * A **step** is one line of:
 *
 *     link …                      `ip link …` for the kernel, `vethctl link …` for vethd, in the namespace `host`
 *     -n {a} link …               the same, with options before the object
 *     a: COMMAND                  a shell command in the namespace `a` (`host`, `a`, `b` or `c`), the same for both
 *     watch a v1                  records from now on the frames that `v1` in `a` receives and sends
 *     listen c                    records from now on what `ip monitor link` tells in `c`
 *     carrier a v1                waits until `v1` has a carrier
 *     send a v1 FRAME…            sends frames by AF_PACKET; a FRAME is described in frames.ts
 *     hold b v2 US                lets `v2` in `b` hold what it merges for that long: `gro-flush-us`, or veth's sysfs knobs
 *     unserved STEP              the step, while vethd does not run (SIGSTOP)
 *     transfer a b tcp ADDR N     N bytes of TCP (datagrams of UDP) from `a` to a server in `b` and back, each byte checked
 *     sockets a WHAT ARGS…        sockets.py WHAT, whose answer is compared
 *     background b sockets WHAT…  the same, beside the steps that follow; `joined` waits for its answer
 *     xdp b v2 drv|skb|link       attaches an XDP program to `v2` in `b` that lets every frame pass (xdp.py): to the driver,
 *                                 behind it, or to the driver by a bpf_link; with `drop`, `tx` or the name of a device
 *                                 behind it, it does that instead; `off` detaches it and compares what it saw
 *     forget a                    deletes the namespace `a`
 *     wait a v1                   waits until there is no device `v1` in `a`
 *
 * `{a}` stands for the namespace's real name. A step has to succeed; one that begins with `? ` may fail, and its exit
 * code and its text are compared. What `send` answers is always compared.
 *
 * A **probe** (probes.ts) is a word and its arguments: `link a v1`, `counters a v1`, `frames b v2`.
 */
export interface Row {
  /** A sentence about behaviour. */
  name: string
  steps: string[]
  /** Probes, read when everything has settled. */
  compare: string[]
  /** The row shows a difference that a TAP cannot avoid: the name of its line in docs/differences.md. */
  differs?: string
}
