/**
 * Loaded into vethd before its own code (`node --import`): ways out of a process that no signal alone can ask for.
 *
 *   SIGUSR2    an exception that nobody catches
 *   SIGWINCH   process.exit(7)
 */
process.on('SIGUSR2', () => {
  throw new Error('thrown by the test')
})
process.on('SIGWINCH', () => process.exit(7))
