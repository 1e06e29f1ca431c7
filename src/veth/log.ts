/** The logger of the driver. pino's logger has this shape. */
export interface DriverLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const SILENT: DriverLog = { debug() {}, info() {}, warn() {}, error() {} }
