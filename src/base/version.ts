import { readFileSync } from 'node:fs'

/** The version in package.json, which stands two folders up from sources and build alike. */
export function version(): string {
  const file = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return file.version
}
