/**
 * JSON as `ip -j` writes it (lib/json_writer.c): one line, or with `-p` one member a line, four columns a level, arrays
 * of plain values on the line of their key. A bigint is written with all its digits.
 */

/** A value that `-j` prints; undefined members are omitted. */
export type Json = string | number | bigint | boolean | null | undefined | Json[] | { [key: string]: Json }

/** `value` in iproute2's layout, without the new line at the end. */
export function formatJson(value: Json, pretty: boolean): string {
  return write(value, pretty, 0)
}

function write(value: Json, pretty: boolean, depth: number): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return writeText(value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) {
    const items = value.map((item) => write(item, pretty, depth + 1)).join(',')
    return pretty ? `[ ${items}${value.length > 0 ? ' ' : ''}]` : `[${items}]`
  }
  const newLine = (level: number) => (pretty ? `\n${'    '.repeat(level)}` : '')
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => {
      return `${newLine(depth + 1)}${JSON.stringify(key)}:${pretty ? ' ' : ''}${write(member, pretty, depth + 1)}`
    })
  return members.length === 0 ? '{}' : `{${members.join(',')}${newLine(depth)}}`
}

/** `ip` prints a byte that is not UTF-8 (abi/text.ts) unchanged. JSON.stringify would escape it. */
function writeText(text: string): string {
  return JSON.stringify(text).replace(/\\(?:u(dc[89a-f][0-9a-f])|.)/g, (escaped, raw?: string) =>
    raw === undefined ? escaped : String.fromCharCode(Number.parseInt(raw, 16)),
  )
}
