/** The package's version, from its package.json: one place for `vethd --version`, `vethctl -V` and the API. */
import { readFileSync } from 'node:fs'

export function packageVersion(): string {
  const manifest = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
