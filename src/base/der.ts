/** Reads DER (ITU-T X.690): what Node does not tell of certificates and revocation lists. Gives views of the bytes and copies nothing. */

/** `tag` is the identifier octet; `whole` the element with tag and length, `content` without. */
export type Der = { tag: number; content: Buffer; whole: Buffer }

export const SEQUENCE = 0x30
export const SET = 0x31
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_IDENTIFIER = 0x06

/** Lengths of more octets than this are of no file that is read here. */
const LENGTH_OCTETS_MAX = 4

/** Gives the elements that the bytes hold, one behind the other. Null for what is no DER, to the last octet, or uses tags above 30. */
export function readDer(bytes: Buffer): Der[] | null {
  const found: Der[] = []
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0
    const length = lengthAt(bytes, at + 1)
    if ((tag & 0x1f) === 0x1f || length === null) return null
    const end = length.behind + length.octets
    if (end > bytes.length) return null
    found.push({ tag, content: bytes.subarray(length.behind, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return found
}

/** The shortest form alone is DER: another one would be a second spelling of the same certificate. */
function lengthAt(bytes: Buffer, at: number): { octets: number; behind: number } | null {
  const first = bytes[at]
  if (first === undefined) return null
  if (first < 0x80) return { octets: first, behind: at + 1 }
  const count = first & 0x7f
  if (count === 0 || count > LENGTH_OCTETS_MAX || at + 1 + count > bytes.length) return null
  const octets = bytes.readUIntBE(at + 1, count)
  if (octets < 0x80 || bytes[at + 1] === 0) return null
  return { octets, behind: at + 1 + count }
}

/** Gives what a single element of that tag holds, or null. */
export function inside(bytes: Buffer, tag: number = SEQUENCE): Der[] | null {
  const [one, ...rest] = readDer(bytes) ?? []
  return one?.tag === tag && rest.length === 0 ? readDer(one.content) : null
}

/** The parts of a certificate (RFC 5280, 4.1) that are asked for here: both names as DER, and the extensions. */
export type CertificateParts = { issuer: Buffer; subject: Buffer; extensions: Der[] }

/** Needs a certificate as DER; gives its parts, or null when it is none. */
export function certificateParts(certificate: Buffer): CertificateParts | null {
  const [tbs] = inside(certificate) ?? []
  const fields = tbs?.tag === SEQUENCE ? readDer(tbs.content) : null
  if (fields === null) return null
  const [serial, , issuer, , subject, ...rest] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields
  if (serial?.tag !== INTEGER || issuer?.tag !== SEQUENCE || subject?.tag !== SEQUENCE) return null
  const last = rest.find(({ tag }) => tag === 0xa3)
  const extensions = last === undefined ? [] : inside(last.content)
  return extensions === null ? null : { issuer: issuer.whole, subject: subject.whole, extensions }
}
