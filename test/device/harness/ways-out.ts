/**
 * Loaded into vethd before its own code (`node --import`). It adds ways to end the process that no plain signal
 * triggers.
 *
 *   SIGUSR2    an uncaught exception
 *   SIGWINCH   process.exit(7)
 */
process.on('SIGUSR2', () => {
  throw new Error('thrown by the test')
})
process.on('SIGWINCH', () => process.exit(7))
