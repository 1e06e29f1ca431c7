/** What vethctl and the tests use of raw-socket, which comes without types. It is optional, and loaded only when needed. */
declare module 'raw-socket' {
  export interface RawSocket {
    on(event: 'message', listener: (packet: Buffer, source: string) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    /** `before` is called right before sendto(2), `after` behind it, with its error. */
    send(
      packet: Buffer,
      offset: number,
      length: number,
      address: string,
      before: () => void,
      after: (error: Error | null) => void,
    ): this
    close(): this
  }
  export const AddressFamily: { IPv4: number; IPv6: number }
  export const Protocol: { ICMP: number; ICMPv6: number }
  /** Throws strerror(3) of socket(2), without a code. */
  export function createSocket(options: { addressFamily: number; protocol: number; bufferSize: number }): RawSocket
  export function createChecksum(...buffers: Buffer[]): number
}
