/** The little of DNS (RFC 1035) that asking for A records takes. Pure: octets in, octets out. */
import { type Address, parseAddress } from '../base/ip.ts'
import { DNS_ADDRESSES_MAX } from '../base/gate-limits.ts'

/** `none`: there is no such name, or it has no address. `failed`: the server says so, or what it sent makes no sense. */
export type DnsAnswer = { say: 'addresses'; addresses: Address[] } | { say: 'none' } | { say: 'failed'; reason: string }

/** `foreign`: no answer to this question, so a liar's or a late one. `truncated`: to be asked again over TCP. */
export type DnsReply = DnsAnswer | { say: 'foreign' } | { say: 'truncated' }

const HEADER = 12
const TYPE_A = 1
const CLASS_IN = 1
const RECURSION_DESIRED = 0x0100
const IS_RESPONSE = 0x8000
const OPCODE = 0x7800
const IS_TRUNCATED = 0x0200
/** RFC 1035, 4.1.1 and RFC 6895, 2.3. */
const RCODES: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }
const NXDOMAIN = 3

/** Needs a random id below 65,536 and a name of plain labels; gives the question for its A records. */
export function encodeQuestion(id: number, name: string): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(RECURSION_DESIRED, 2)
  header.writeUInt16BE(1, 4)
  return Buffer.concat([header, questionOf(name)])
}

function questionOf(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')])
  return Buffer.concat([...labels, Buffer.of(0, 0, TYPE_A, 0, CLASS_IN)])
}

/** Needs what came, and what was asked. An answer must carry the id and the very question back. */
export function readReply(bytes: Buffer, id: number, name: string): DnsReply {
  if (bytes.length < HEADER) return { say: 'foreign' }
  const flags = bytes.readUInt16BE(2)
  const question = questionOf(name)
  const echoed = bytes.subarray(HEADER, HEADER + question.length)
  const ours = bytes.readUInt16BE(0) === id && (flags & IS_RESPONSE) !== 0 && (flags & OPCODE) === 0
  // Of plain ASCII, so that lower case is the same length; some servers give names back in capitals.
  const same = echoed.toString('latin1').toLowerCase() === question.toString('latin1').toLowerCase()
  if (!ours || bytes.readUInt16BE(4) !== 1 || !same) return { say: 'foreign' }
  const rcode = flags & 15
  if (rcode === NXDOMAIN) return { say: 'none' }
  if (rcode !== 0) return { say: 'failed', reason: `the resolver answers ${RCODES[rcode] ?? `code ${rcode}`}` }
  if ((flags & IS_TRUNCATED) !== 0) return { say: 'truncated' }
  const addresses = addressesIn(bytes, HEADER + question.length, bytes.readUInt16BE(6))
  if (addresses === null) return { say: 'failed', reason: 'the resolver sent an answer that makes no sense' }
  return addresses.length === 0 ? { say: 'none' } : { say: 'addresses', addresses }
}

/** The A records among the answers; null when the octets end before the records do. */
function addressesIn(bytes: Buffer, start: number, count: number): Address[] | null {
  const addresses: Address[] = []
  let at = start
  for (let i = 0; i < count; i++) {
    const behind = afterName(bytes, at)
    if (behind === null || behind + 10 > bytes.length) return null
    const [type, kind, length] = [behind, behind + 2, behind + 8].map((place) => bytes.readUInt16BE(place))
    const data = bytes.subarray(behind + 10, behind + 10 + (length ?? 0))
    if (data.length !== length) return null
    const address = type === TYPE_A && kind === CLASS_IN && length === 4 ? parseAddress(data.join('.')) : null
    if (address !== null && addresses.length < DNS_ADDRESSES_MAX) addresses.push(address)
    at = behind + 10 + length
  }
  return addresses
}

/** A name ends in an empty label or in a pointer (RFC 1035, 4.1.4); pointers are not followed, so none can lead in circles. */
function afterName(bytes: Buffer, start: number): number | null {
  for (let at = start; at < bytes.length;) {
    const length = bytes[at] ?? 0
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    if (length > 63) return null
    at += length + 1
  }
  return null
}
