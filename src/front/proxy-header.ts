/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt), as a receiver reads it. Pure. Whoever may send a
 * header says where a client comes from, so a header that is not exactly right is a fault and never a guess.
 */
import { parseAddress, type Address, type Endpoint } from '../base/ip.ts'
import { PROXY_V1_MAX, PROXY_V2_MAX } from '../base/gate-limits.ts'

/** `length`: octets of the header; what follows is the client's. */
export type ProxyHeader =
  | { at: 'more' }
  | { at: 'fault'; why: HeaderFault }
  | { at: 'client'; length: number; source: Endpoint; destination: Endpoint }
  /** `LOCAL`, or `UNKNOWN` of version 1: the balancer speaks for itself, as it does in health checks. */
  | { at: 'own'; length: number }

/** Few and fixed words: they become the reason in the audit, by which floods are summed. */
export type HeaderFault =
  | 'proxy-header-missing'
  | 'proxy-header-malformed'
  | 'proxy-header-too-long'
  | 'proxy-family-unknown'
  | 'proxy-checksum-wrong'

const SIGNATURE_V1 = Buffer.from('PROXY ')
const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const FIXED_V2 = 16
const TLV_CRC32C = 0x03

/** Needs all that a peer has sent so far. Gives `more` only as long as a header can still come of it. Never throws. */
export function readProxyHeader(seen: Buffer): ProxyHeader {
  if (begins(seen, SIGNATURE_V1)) return readV1(seen)
  if (begins(seen, SIGNATURE_V2)) return readV2(seen)
  return fault('proxy-header-missing')
}

function begins(seen: Buffer, signature: Buffer): boolean {
  const length = Math.min(seen.length, signature.length)
  return seen.subarray(0, length).equals(signature.subarray(0, length))
}

function fault(why: HeaderFault): ProxyHeader {
  return { at: 'fault', why }
}

/** One line, single spaces, CRLF. ATTACK: a lone LF, which some readers take for the end, would let two readers see two headers. */
function readV1(seen: Buffer): ProxyHeader {
  const head = seen.subarray(0, PROXY_V1_MAX).toString('latin1')
  const end = head.indexOf('\r\n')
  if (/\n|\r[^\n]/.test(end === -1 ? head : head.slice(0, end))) return fault('proxy-header-malformed')
  if (end === -1) return seen.length < PROXY_V1_MAX ? { at: 'more' } : fault('proxy-header-too-long')
  const length = end + 2
  const [, family = '', ...rest] = head.slice(0, end).split(' ')
  if (family === 'UNKNOWN') return { at: 'own', length }
  if (family !== 'TCP4' && family !== 'TCP6') return fault('proxy-family-unknown')
  const [from = '', to = '', fromPort = '', toPort = ''] = rest
  const source = endpointOf(family, from, fromPort)
  const destination = endpointOf(family, to, toPort)
  if (rest.length !== 4 || source === null || destination === null) return fault('proxy-header-malformed')
  return { at: 'client', length, source, destination }
}

function endpointOf(family: 'TCP4' | 'TCP6', text: string, port: string): Endpoint | null {
  const address = text.includes(':') === (family === 'TCP6') ? parseAddress(text) : null
  const isPort = /^(0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65_535
  return address !== null && isPort ? { address, port: Number(port) } : null
}

function readV2(seen: Buffer): ProxyHeader {
  const [versionAndCommand = 0x20, family = 0] = seen.subarray(12, 14)
  const command = versionAndCommand & 0x0f
  if (versionAndCommand >> 4 !== 2 || command > 1) return fault('proxy-header-malformed')
  if (seen.length < FIXED_V2) return { at: 'more' }
  const length = FIXED_V2 + seen.readUInt16BE(14)
  if (length > PROXY_V2_MAX) return fault('proxy-header-too-long')
  if (seen.length < length) return { at: 'more' }
  const header = seen.subarray(0, length)
  // LOCAL: what is said of addresses is to be passed over, whatever it is.
  if (command === 0) return { at: 'own', length }
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : null
  if (size === null) return fault('proxy-family-unknown')
  const tlvs = FIXED_V2 + 2 * size + 4
  if (length < tlvs) return fault('proxy-header-malformed')
  const why = faultIn(header, tlvs)
  if (why !== null) return fault(why)
  const at = (offset: number) => addressOf(header.subarray(FIXED_V2 + offset, FIXED_V2 + offset + size))
  const source = at(0)
  const destination = at(size)
  if (source === null || destination === null) return fault('proxy-header-malformed')
  return {
    at: 'client',
    length,
    source: { address: source, port: header.readUInt16BE(tlvs - 4) },
    destination: { address: destination, port: header.readUInt16BE(tlvs - 2) },
  }
}

function addressOf(bytes: Buffer): Address | null {
  if (bytes.length === 4) return parseAddress([...bytes].join('.'))
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  return parseAddress(groups.join(':'))
}

/** Walks the TLVs. All are passed over but the checksum, which must be right where it is sent (section 2.2.3). */
function faultIn(header: Buffer, start: number): HeaderFault | null {
  for (let at = start; at < header.length;) {
    if (at + 3 > header.length) return 'proxy-header-malformed'
    const next = at + 3 + header.readUInt16BE(at + 1)
    if (next > header.length) return 'proxy-header-malformed'
    if (header[at] === TLV_CRC32C) {
      if (next - at !== 7) return 'proxy-header-malformed'
      const zeroed = Buffer.from(header).fill(0, at + 3, next)
      if (crc32c(zeroed) !== header.readUInt32BE(at + 3)) return 'proxy-checksum-wrong'
    }
    at = next
  }
  return null
}

/** CRC-32C (Castagnoli, RFC 9260 appendix A), bit by bit: a header is short, and zlib knows only the other CRC-32. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
