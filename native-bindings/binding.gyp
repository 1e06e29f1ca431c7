{
  'targets': [
    {
      'target_name': 'vethd',
      'sources': [
        'addon.c',
        'errors.c',
        'args.c',
        'memory.c',
        'fd.c',
        'tap.c',
        'netns.c',
        'netns-open.c',
        'uring.c',
        'batch.c',
        'socket.c',
        'peer.c',
        'bpf.c',
        'watch.c',
        'thread.c',
        'abi.c',
      ],
      'defines': ['_GNU_SOURCE', 'NAPI_VERSION=9'],
      'cflags': ['-std=c11', '-O2', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
    },
  ],
}
