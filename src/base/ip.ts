/**
 * IP addresses and networks. IPv4-mapped IPv6 (RFC 4291, 2.5.5.2) is IPv4 everywhere: a list entry must not be dodged by
 * writing, or connecting from, the other form of one address.
 */
import { faulty, parsed, type Parsed } from './parsed.ts'

/** `words` are unsigned 32-bit numbers, the highest first: one for IPv4, four for IPv6. `text` is canonical (RFC 5952). */
export type Address = { family: 4 | 6; words: readonly number[]; text: string }

/** All addresses from `from` to `to`, both included, of one family. `text` is its canonical form. */
export type Range = { family: 4 | 6; from: readonly number[]; to: readonly number[]; text: string }

/** One end of a connection. */
export type Endpoint = { address: Address; port: number }

/** Needs an address as text; gives it, or null when it is none. Zone ids (`fe80::1%eth0`) are refused. */
export function parseAddress(text: string): Address | null {
  if (!text.includes(':')) {
    const word = readIpv4(text)
    return word === null ? null : address([word])
  }
  const words = readIpv6(text)
  return words === null ? null : address(isMapped(words) ? words.slice(3) : words)
}

/**
 * Needs what a list line or a policy key names: `192.0.2.0/24`, one address, or `192.0.2.1-192.0.2.9`.
 * A network with host bits set is a fault, as its writer meant something else: the network is named that holds it.
 */
export function parseRange(text: string): Parsed<Range> {
  if (text.includes('/')) return readNetwork(text)
  if (text.includes('-')) return readSpan(text)
  const one = parseAddress(text)
  if (one === null) return faulty('is no address, network (192.0.2.0/24) or range (192.0.2.1-192.0.2.9)')
  return parsed({ family: one.family, from: one.words, to: one.words, text: one.text })
}

/** Gives the network that holds an address, such as `192.0.2.0/24`. Needs the prefix length of each family. */
export function networkOf(of: Address, lengths: { ipv4: number; ipv6: number }): string {
  const length = of.family === 4 ? lengths.ipv4 : lengths.ipv6
  return `${address(first(of.words, length)).text}/${length}`
}

/** Tells whether a range holds an address. */
export function contains(range: Range, one: Address): boolean {
  return range.family === one.family && compare(range.from, one.words) <= 0 && compare(one.words, range.to) <= 0
}

/** Tells whether two ranges have an address in common. */
export function overlaps(one: Range, other: Range): boolean {
  return one.family === other.family && compare(one.from, other.to) <= 0 && compare(other.from, one.to) <= 0
}

/** Tells whether an address is this machine's own loopback. */
export function isLoopback(one: Address): boolean {
  return LOOPBACK.some((range) => contains(range, one))
}

/** Tells whether an address is of no public network: loopback, RFC 1918, RFC 4193, link-local or shared (RFC 6598). */
export function isPrivate(one: Address): boolean {
  return PRIVATE.some((range) => contains(range, one))
}

/** Orders two addresses of one family, given as words: below zero, zero, above zero. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function address(words: readonly number[]): Address {
  return words.length === 1
    ? { family: 4, words, text: writeIpv4(words[0] ?? 0) }
    : { family: 6, words, text: writeIpv6(words) }
}

function isMapped(words: readonly number[]): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff
}

const [DOT, ZERO, NINE] = [0x2e, 0x30, 0x39] as const

/** Leading zeros are refused: `010.0.0.1` is 8.0.0.1 to some readers and 10.0.0.1 to others. */
function readIpv4(text: string): number | null {
  let word = 0
  let dots = 0
  let octet: number | null = null
  // By hand, as each connection has its address read some ten times.
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (octet === null || ++dots > 3) return null
      word = word * 256 + octet
      octet = null
    } else {
      if (code < ZERO || code > NINE || octet === 0) return null
      octet = (octet ?? 0) * 10 + code - ZERO
      if (octet > 255) return null
    }
  }
  return dots === 3 && octet !== null ? word * 256 + octet : null
}

function readIpv6(text: string): number[] | null {
  if (text.length > 45) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = readGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? readGroups(halves[1] ?? '', true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return [0, 2, 4, 6].map((i) => (groups[i] ?? 0) * 65_536 + (groups[i + 1] ?? 0))
}

/** An IPv4 tail (`::ffff:192.0.2.1`) may only stand at the very end. */
function readGroups(text: string, last: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const word = last && i === parts.length - 1 ? readIpv4(part) : null
    if (word === null) return null
    groups.push(Math.floor(word / 65_536), word % 65_536)
  }
  return groups
}

function writeIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
function writeIpv6(words: readonly number[]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff])
  let run = { at: 0, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (groups[at + length] === 0) length++
    if (length > run.length) run = { at, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.at).join(':')}::${hex.slice(run.at + run.length).join(':')}`
}

/** The first address of the network of `length` bits that holds `words`. */
function first(words: readonly number[], length: number): number[] {
  return words.map((word, i) => (word & wordMask(length - 32 * i)) >>> 0)
}

function wordMask(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0
}

function readNetwork(text: string): Parsed<Range> {
  const [host = '', bits = '', ...rest] = text.split('/')
  const written = parseAddress(host)
  if (written === null || rest.length > 0) return faulty('is no network; write it like 192.0.2.0/24 or 2001:db8::/32')
  const mapped = written.family === 4 && host.includes(':')
  const length = Number(bits) - (mapped ? 96 : 0)
  const longest = written.family === 4 ? 32 : 128
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || length < 0 || length > longest) {
    return faulty(`has no such prefix length; write ${mapped ? '/96 to /128' : `/0 to /${longest}`}`)
  }
  const from = first(written.words, length)
  const network = `${address(from).text}/${length}`
  if (compare(from, written.words) !== 0) {
    return faulty(
      `has bits set behind /${length}; write ${network} for the network or ${written.text} for the one address`,
    )
  }
  const to = from.map((word, i) => (word | ~wordMask(length - 32 * i)) >>> 0)
  return parsed({ family: written.family, from, to, text: network })
}

function readSpan(text: string): Parsed<Range> {
  const [left = '', right = '', ...rest] = text.split('-').map((part) => part.trim())
  const from = parseAddress(left)
  const to = parseAddress(right)
  if (from === null || to === null || rest.length > 0) return faulty('is no range; write it like 192.0.2.1-192.0.2.9')
  if (from.family !== to.family) return faulty('runs from one IP version into the other; write one range for each')
  if (compare(from.words, to.words) > 0) return faulty(`runs backwards; write ${to.text}-${from.text}`)
  return parsed({ family: from.family, from: from.words, to: to.words, text: `${from.text}-${to.text}` })
}

function ranges(...texts: string[]): Range[] {
  return texts.map((text) => {
    const range = parseRange(text)
    if (!range.ok) throw new Error(`${text} ${range.fault}`)
    return range.value
  })
}

const LOOPBACK = ranges('127.0.0.0/8', '::1')
const PRIVATE = [
  ...LOOPBACK,
  ...ranges(
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '169.254.0.0/16',
    '100.64.0.0/10',
    'fc00::/7',
    'fe80::/10',
  ),
]
