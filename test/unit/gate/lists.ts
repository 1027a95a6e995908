/** Lists and addresses for the tests of the gate. */
import { type Address, parseAddress } from '../../../src/base/ip.ts'
import { parseListFile } from '../../../src/compiler/list-file.ts'
import { compileLists } from '../../../src/compiler/prefixes.ts'
import { type CompiledGate, type CompiledList, NO_DATA } from '../../../src/gate/verdict.ts'

/** A gate without checks. */
export const OPEN: CompiledGate = { networks: null, reputation: null, geofence: null, data: NO_DATA }
export const NOW = Date.parse('2026-11-21T12:00:00Z')

export function address(text: string): Address {
  const read = parseAddress(text)
  if (read === null) throw new Error(`no address: ${text}`)
  return read
}

export function list(...lines: string[]): CompiledList {
  return compileLists([{ name: 'lists/a.txt', entries: parseListFile(lines.join('\n')).entries }])
}

export function gate(mode: 'enforce' | 'monitor', allow: string[], deny: string[]): CompiledGate {
  return { ...OPEN, networks: { mode, allow: list(...allow), deny: list(...deny) } }
}
