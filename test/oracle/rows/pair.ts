/** How most rows begin: v1 in the namespace `a`, v2 in `b`. */

export const APART = 'link add v1 netns {a} type veth peer name v2 netns {b}'

const BOTH_UP = ['a: ip link set v1 up', 'b: ip link set v2 up', 'carrier a v1', 'carrier b v2']

export const UP = [APART, ...BOTH_UP]

/** The same with addresses that frames can be sent to. */
export const UP_ADDRESSED = [
  'link add v1 netns {a} address 02:00:00:00:00:01 type veth peer name v2 netns {b} address 02:00:00:00:00:02',
  ...BOTH_UP,
]
