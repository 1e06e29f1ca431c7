/**
 * Capabilities, bit numbers in CapEff of /proc/PID/status.
 *
 * Source: <linux/capability.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const CAP_NET_BROADCAST = 11
export const CAP_NET_ADMIN = 12
export const CAP_SYS_PTRACE = 19
export const CAP_SYS_ADMIN = 21
export const CAP_BPF = 39
