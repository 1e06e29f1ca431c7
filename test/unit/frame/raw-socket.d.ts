/** The one function of raw-socket that the checksum's test asks for a third opinion. */
declare module 'raw-socket' {
  export function createChecksum(...buffers: Buffer[]): number
}
