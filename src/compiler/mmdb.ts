/**
 * Compiles a MaxMind database (.mmdb, format 2.0) into sorted ranges. The whole tree is walked and every record that it
 * leads to is read, so that a damaged file is found out before it counts and not at some stranger's connection.
 * What it reads came from outside: it runs in a process of its own, under a deadline.
 */
import { Reader, type Response } from 'maxmind'
import { DATABASE_NODES_MAX, DATABASE_RANGES_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import type { GeoTable } from '../gate/verdict.ts'
import { growing, type Growing } from './growing.ts'

export type DatabaseKind = 'country' | 'asn'

/** `builtAt`: when its makers built it, ms since 1970. `ranges`: how many the table has. `type`: what it calls itself. */
export type CompiledDatabase = { table: GeoTable; builtAt: number; ranges: number; type: string }

/** Its words follow the name of the file. */
class Damage extends Error {}

/** Needs the bytes of a database and what it is to tell; gives its table, or the fault. */
export function compileDatabase(bytes: Buffer, kind: DatabaseKind): Parsed<CompiledDatabase> {
  try {
    const tree = openTree(bytes)
    const tables = { v4: walk(tree, kind, 4), v6: walk(tree, kind, 6) }
    const table = {
      v4From: tables.v4.from.taken(),
      v4Value: tables.v4.value.taken(),
      v6From: tables.v6.from.taken(),
      v6Value: tables.v6.value.taken(),
    }
    const known = table.v4Value.some((value) => value > 0) || table.v6Value.some((value) => value > 0)
    if (!known)
      return faulty(`holds no ${kind === 'country' ? 'country codes' : 'AS numbers'}; is it the right database?`)
    const { buildEpoch, databaseType } = tree.reader.metadata
    const ranges = table.v4Value.length + table.v6Value.length
    return parsed({ table, builtAt: buildEpoch.getTime(), ranges, type: String(databaseType) })
  } catch (error) {
    // The package throws errors of all kinds at bytes that make no sense; their words are of no use to an operator.
    return faulty(
      error instanceof Damage ? error.message : 'is damaged, or is no MaxMind database (.mmdb); get it anew',
    )
  }
}

type Tree = {
  reader: Reader<Response>
  nodes: number
  /** The two records of a node. */
  record: (node: number, side: 0 | 1) => number
  ipv4: number
  hasIpv6: boolean
  /** Nodes that may still be looked at. */
  budget: number
}

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
/** The metadata stands within so many octets of the end, as the format has it. */
const METADATA_MAX = 131_072
const SEPARATOR = 16

function openTree(bytes: Buffer): Tree {
  const marker = bytes.lastIndexOf(MARKER)
  if (marker < 0 || bytes.length - marker > METADATA_MAX + MARKER.length)
    throw new Damage('is no MaxMind database (.mmdb), or it is cut short; get it anew')
  const reader = new Reader<Response>(bytes)
  const { nodeCount: nodes, recordSize, searchTreeSize, ipVersion, buildEpoch } = reader.metadata
  if (!Number.isSafeInteger(nodes) || nodes < 1 || Number.isNaN(buildEpoch.getTime()) || ![4, 6].includes(ipVersion))
    throw new Damage('is damaged: what it says of itself makes no sense; get it anew')
  const separator = bytes.subarray(searchTreeSize, searchTreeSize + SEPARATOR)
  if (searchTreeSize + SEPARATOR > marker || separator.some((byte) => byte !== 0))
    throw new Damage('is cut short or damaged; get it anew')
  const record = recordReader(bytes, recordSize)
  let ipv4 = 0
  for (let bit = 0; ipVersion === 6 && bit < 96 && ipv4 < nodes; bit++) ipv4 = record(ipv4, 0)
  return { reader, nodes, record, ipv4, hasIpv6: ipVersion === 6, budget: DATABASE_NODES_MAX }
}

/** Two records of 24, 28 or 32 bits make a node; of 28, the octet in the middle has the high bits of both. */
function recordReader(bytes: Buffer, size: number): Tree['record'] {
  switch (size) {
    case 24:
      return (node, side) => bytes.readUIntBE(node * 6 + side * 3, 3)
    case 28:
      return (node, side) => {
        const at = node * 7
        const middle = bytes.readUInt8(at + 3)
        const high = side === 0 ? middle >>> 4 : middle & 15
        return high * 0x1000000 + bytes.readUIntBE(at + side * 4, 3)
      }
    case 32:
      return (node, side) => bytes.readUInt32BE(node * 8 + side * 4)
    default:
      throw new Damage('has records of a size that is not known; get it anew')
  }
}

type Rows = { from: Growing; value: Growing }

/** Goes through one family's part of the tree, low addresses first; neighbours with one value are one range. */
function walk(tree: Tree, kind: DatabaseKind, family: 4 | 6): Rows {
  const rows: Rows = { from: growing(), value: growing() }
  const words = family === 4 ? [0] : [0, 0, 0, 0]
  const values = new Map<number, number>()
  let last = -1
  const put = (value: number) => {
    if (value === last) return
    last = value
    if (rows.value.length() >= DATABASE_RANGES_MAX) throw new Damage(`has more than ${DATABASE_RANGES_MAX} networks`)
    for (const word of words) rows.from.push(word)
    rows.value.push(value)
  }
  const descend = (record: number, depth: number): void => {
    if (record >= tree.nodes) {
      put(valueOf(tree, record, kind, words, values))
      return
    }
    // IPv4 lies at ::/96, and other prefixes (::ffff:0:0/96, 2002::/16) lead to the same node: those are looked up as IPv4.
    if (family === 6 && record === tree.ipv4 && depth > 0) {
      put(0)
      return
    }
    if (depth >= words.length * 32 || --tree.budget < 0) throw new Damage('has a tree without an end; get it anew')
    const word = depth >>> 5
    descend(tree.record(record, 0), depth + 1)
    words[word] = ((words[word] ?? 0) | (1 << (31 - (depth & 31)))) >>> 0
    descend(tree.record(record, 1), depth + 1)
    words[word] = ((words[word] ?? 0) & ~(1 << (31 - (depth & 31)))) >>> 0
  }
  if (family === 4) descend(tree.ipv4, 0)
  else if (tree.hasIpv6) descend(0, 0)
  else put(0)
  return rows
}

function valueOf(
  { reader, nodes }: Tree,
  record: number,
  kind: DatabaseKind,
  words: readonly number[],
  values: Map<number, number>,
): number {
  if (record === nodes) return 0
  const seen = values.get(record)
  if (seen !== undefined) return seen
  const data: unknown = reader.get(words.length === 1 ? dotted(words[0] ?? 0) : groups(words))
  const value = kind === 'country' ? countryIn(data) : asnIn(data)
  values.set(record, value)
  return value
}

const dotted = (word: number) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')
const groups = (words: readonly number[]) =>
  words.flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16))).join(':')

type Fields = Readonly<Record<string, unknown>>
const fieldsOf = (data: unknown): Fields => (typeof data === 'object' && data !== null ? (data as Fields) : {})

/** MaxMind and DB-IP write `{country: {iso_code}}`, ip-location-db `{country_code}`, IPinfo `{country}`. */
function countryIn(data: unknown): number {
  const { country, country_code: code } = fieldsOf(data)
  const text = code ?? fieldsOf(country)['iso_code'] ?? country
  return typeof text === 'string' && /^[A-Z]{2}$/.test(text) ? text.charCodeAt(0) * 256 + text.charCodeAt(1) : 0
}

/** MaxMind and ip-location-db write `{autonomous_system_number}`, IPinfo `{asn: "AS64500"}`. */
function asnIn(data: unknown): number {
  const { autonomous_system_number: number, asn } = fieldsOf(data)
  const value = number ?? (typeof asn === 'string' ? Number(asn.replace(/^AS/, '')) : asn)
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffffffff ? value : 0
}
