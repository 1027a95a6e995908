/** How an old server learns who the client is: a PROXY header before all else, or Dovecot's XCLIENT before USER. */
import type { Address, Endpoint } from '../base/ip.ts'
import { XCLIENT_TTL } from '../base/gate-limits.ts'

/** Whom a login is for. `destination` is what the client connected to; `session` is the connection's id in our audit. */
export type Client = { session: string; source: Endpoint; destination: Endpoint }

const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/**
 * Gives a header of the PROXY protocol for the client, or for Postern itself where there is none (a health check): then the server
 * goes by the connection's own addresses. It must be the first that is written, in one piece.
 */
export function proxyHeader(version: 'v1' | 'v2', client: Client | null): Buffer {
  if (version === 'v1') return Buffer.from(client === null ? 'PROXY UNKNOWN\r\n' : lineV1(client), 'latin1')
  return client === null ? blockV2(0x20, 0x00, []) : clientV2(client)
}

function lineV1({ source, destination }: Client): string {
  const six = isSix(source, destination)
  const addresses = [source, destination].map(({ address }) => (six ? asIpv6(address) : address.text))
  return `PROXY ${six ? 'TCP6' : 'TCP4'} ${addresses.join(' ')} ${source.port} ${destination.port}\r\n`
}

function clientV2({ source, destination }: Client): Buffer {
  const six = isSix(source, destination)
  const words = [source, destination].flatMap(({ address }) => (six ? wordsOfIpv6(address) : address.words))
  return blockV2(0x21, six ? 0x21 : 0x11, [...words, ((source.port << 16) | destination.port) >>> 0])
}

function blockV2(versionAndCommand: number, family: number, words: readonly number[]): Buffer {
  const block = Buffer.alloc(16 + 4 * words.length)
  SIGNATURE_V2.copy(block)
  block.writeUInt8(versionAndCommand, 12)
  block.writeUInt8(family, 13)
  block.writeUInt16BE(4 * words.length, 14)
  for (const [i, word] of words.entries()) block.writeUInt32BE(word, 16 + 4 * i)
  return block
}

/** A header has one family: where the ends differ, IPv4 is written as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2). */
function isSix(source: Endpoint, destination: Endpoint): boolean {
  return source.address.family === 6 || destination.address.family === 6
}

function asIpv6(address: Address): string {
  return address.family === 6 ? address.text : `::ffff:${address.text}`
}

function wordsOfIpv6({ family, words }: Address): readonly number[] {
  return family === 6 ? words : [0, 0, 0xffff, ...words]
}

/** Gives Dovecot's XCLIENT line. Every value is our own: nothing that a client wrote stands in it. */
export function xclientLine({ session, source }: Client): Buffer {
  const { address, port } = source
  return Buffer.from(
    `XCLIENT ADDR=${address.text} PORT=${port} SESSION=${session} TTL=${XCLIENT_TTL} CLIENT-TRANSPORT=TLS\r\n`,
    'latin1',
  )
}

/** Tells from a greeting whether XCLIENT is taken. Dovecot says so to those whose word it takes: Postern's address is in its `login_trusted_networks`. */
export function offersXclient(greeting: string): boolean {
  return /\[XCLIENT\]/.test(greeting)
}
