/**
 * Reads a TLS ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) far enough for a fingerprint. Own code and
 * not a library, because these are the first bytes of a stranger: every length is checked, nothing grows past {@link CLIENT_HELLO_MAX}.
 */
import { createHash } from 'node:crypto'
import { CLIENT_HELLO_MAX, CLIENT_HELLO_RECORDS_MAX, FINGERPRINT_KEY_MAX, FINGERPRINTS_MAX } from '../base/limits.ts'

export type ClientHello = {
  /** JA4 as the field computes it. */
  ja4: string
  /**
   * JA4 without the extensions that come and go with session resumption, retries and padding (21, 35, 41, 42, 44):
   * the same for a client's first and resumed connections, so a trusted device stays the same device.
   */
  stable: string
  serverName: string | null
}

const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const SNI = 0
const SIGNATURE_ALGORITHMS = 13
const ALPN = 16
const SUPPORTED_VERSIONS = 43
const COMES_AND_GOES: ReadonlySet<number> = new Set([21, 35, 41, 42, 44])
/** Extensions whose content counts as it is, not their presence alone. */
const LOOKED_INTO: ReadonlySet<number> = new Set([SIGNATURE_ALGORITHMS, ALPN])

/** RFC 8701: values that clients draw at random to keep servers honest. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)

/** A walk over bytes that ends in `null` instead of reading past the end. */
class Cursor {
  readonly #bytes: Buffer
  #at = 0
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }
  take(size: number): Buffer {
    if (size > this.left) throw new RangeError('truncated')
    const part = this.#bytes.subarray(this.#at, this.#at + size)
    this.#at += size
    return part
  }
  number(size: 1 | 2 | 3): number {
    if (size > this.left) throw new RangeError('truncated')
    this.#at += size
    return this.#bytes.readUIntBE(this.#at - size, size)
  }
  /** A vector: its length in `size` octets, then its bytes. */
  vector(size: 1 | 2 | 3): Cursor {
    return new Cursor(this.take(this.number(size)))
  }
  numbers(): number[] {
    const all: number[] = []
    while (this.left >= 2) all.push(this.number(2))
    return all
  }
}

/**
 * Needs the first bytes of a connection, all that have arrived so far. Gives `more` until the ClientHello is complete,
 * `not-tls` for anything else or one over {@link CLIENT_HELLO_MAX} octets.
 */
export function readClientHello(bytes: Buffer): ClientHello | 'more' | 'not-tls' {
  const message = handshakeMessage(bytes)
  if (message === 'more' || message === 'not-tls') return message
  try {
    return fingerprint(new Cursor(message))
  } catch (error) {
    if (error instanceof RangeError) return 'not-tls'
    throw error
  }
}

/**
 * Joins the ClientHello from its TLS records: large key shares make some clients split it. ATTACK: records of one octet each, so
 * that 64 KiB cost seconds; whoever cuts a hello into more than {@link CLIENT_HELLO_RECORDS_MAX} pieces is no mail program.
 */
function handshakeMessage(bytes: Buffer): Buffer | 'more' | 'not-tls' {
  const parts: Buffer[] = []
  let joined = 0
  let size: number | null = null
  for (let at = 0; ;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return 'not-tls'
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return 'not-tls'
    if (bytes.length < at + 5) break
    if (parts.length === CLIENT_HELLO_RECORDS_MAX) return 'not-tls'
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > CLIENT_HELLO_MAX) return 'not-tls'
    parts.push(bytes.subarray(at + 5, at + 5 + length))
    joined += Math.min(length, bytes.length - at - 5)
    at += 5 + length
    if (size === null && joined >= 4) size = Buffer.concat(parts).readUIntBE(1, 3)
    if (bytes.length < at || (size !== null && joined >= 4 + size)) break
  }
  const all = Buffer.concat(parts)
  if (all.length > 0 && all[0] !== CLIENT_HELLO) return 'not-tls'
  if (size !== null && size > CLIENT_HELLO_MAX) return 'not-tls'
  if (size !== null && all.length >= 4 + size) return all.subarray(4, 4 + size)
  return bytes.length > CLIENT_HELLO_MAX ? 'not-tls' : 'more'
}

type Extension = { id: number; data: Buffer }
type Fingerprints = Pick<ClientHello, 'ja4' | 'stable'>

/** There are as many fingerprints as there are programs: what was computed for one is looked up for the next. */
const known = new Map<string, Fingerprints>()

function fingerprint(hello: Cursor): ClientHello {
  const legacyVersion = hello.number(2)
  hello.take(32)
  hello.vector(1)
  const ciphers = hello.vector(2).numbers()
  hello.vector(1)
  const extensions: Extension[] = []
  if (hello.left > 0) {
    const list = hello.vector(2)
    while (list.left > 0) {
      const id = list.number(2)
      extensions.push({ id, data: list.take(list.number(2)) })
    }
  }
  const all = extensions.filter(({ id }) => !isGrease(id))
  const suites = ciphers.filter((id) => !isGrease(id))
  return { ...fingerprintsOf(legacyVersion, suites, all), serverName: serverName(all) }
}

function fingerprintsOf(legacyVersion: number, suites: number[], all: Extension[]): Fingerprints {
  const key = keyOf(legacyVersion, suites, all)
  const found = known.get(key)
  if (found !== undefined) return found
  const steady = all.filter(({ id }) => !COMES_AND_GOES.has(id))
  const made = { ja4: ja4(legacyVersion, suites, all), stable: ja4(legacyVersion, suites, steady) }
  if (known.size >= FINGERPRINTS_MAX) known.clear()
  if (key.length <= FINGERPRINT_KEY_MAX) known.set(key, made)
  return made
}

/** All that goes into a fingerprint, and nothing that differs from one connection of a program to the next: some shuffle their extensions. */
function keyOf(legacyVersion: number, suites: number[], all: Extension[]): string {
  const extensions = all.map(({ id, data }) => (LOOKED_INTO.has(id) ? `${id}:${data.toString('latin1')}` : `${id}`))
  const versions = numbersIn(all.find(({ id }) => id === SUPPORTED_VERSIONS)?.data)
  return JSON.stringify([legacyVersion, suites, versions, extensions.sort()])
}

/** Of a list with a length of one octet before it. */
function numbersIn(list: Buffer | undefined): number[] | null {
  return list === undefined ? null : new Cursor(list).vector(1).numbers().filter((id) => !isGrease(id)) // prettier-ignore
}

function ja4(legacyVersion: number, ciphers: number[], extensions: Extension[]): string {
  const find = (id: number) => extensions.find((extension) => extension.id === id)?.data
  const hex = (value: number) => value.toString(16).padStart(4, '0')
  const two = (size: number) => String(Math.min(size, 99)).padStart(2, '0')
  const short = (text: string) =>
    text === '' ? '0'.repeat(12) : createHash('sha256').update(text).digest('hex').slice(0, 12)
  const head = `t${version(legacyVersion, find(SUPPORTED_VERSIONS))}${find(SNI) === undefined ? 'i' : 'd'}`
  const sorted = extensions
    .filter(({ id }) => id !== SNI && id !== ALPN)
    .map(({ id }) => hex(id))
    .sort()
    .join(',')
  const algorithms = find(SIGNATURE_ALGORITHMS)
  const signatures = algorithms === undefined ? [] : new Cursor(algorithms).vector(2).numbers()
  const tail = signatures.length === 0 ? sorted : `${sorted}_${signatures.map(hex).join(',')}`
  return (
    `${head}${two(ciphers.length)}${two(extensions.length)}${alpn(find(ALPN))}` +
    `_${short(ciphers.map(hex).sort().join(','))}_${short(sorted === '' ? '' : tail)}`
  )
}

function version(legacy: number, supported: Buffer | undefined): string {
  const offered = numbersIn(supported) ?? [legacy]
  const names: Record<number, string> = { 0x0304: '13', 0x0303: '12', 0x0302: '11', 0x0301: '10', 0x0300: 's3' }
  return names[Math.max(0, ...offered)] ?? '00'
}

function alpn(data: Buffer | undefined): string {
  if (data === undefined) return '00'
  const list = new Cursor(data).vector(2)
  if (list.left === 0) return '00'
  const first = list.take(list.number(1))
  if (first.length === 0) return '00'
  const ends = Buffer.from([first[0] ?? 0, first[first.length - 1] ?? 0])
  const text = ends.toString('latin1')
  if (/^[0-9A-Za-z]{2}$/.test(text)) return text
  const hex = first.toString('hex')
  return `${hex.slice(0, 1)}${hex.slice(-1)}`
}

function serverName(extensions: Extension[]): string | null {
  const data = extensions.find(({ id }) => id === SNI)?.data
  if (data === undefined) return null
  const list = new Cursor(data).vector(2)
  while (list.left > 0) {
    const kind = list.number(1)
    const name = list.vector(2)
    if (kind === 0) return name.take(name.left).toString('latin1').slice(0, 255)
  }
  return null
}
