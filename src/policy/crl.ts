/** Certificate revocation lists (RFC 5280, 5): whose a list is, until when it counts, and whether its CA signed it. */
import { createHash, type KeyObject, verify } from 'node:crypto'
import { BIT_STRING, type Der, inside, INTEGER, readDer, SEQUENCE } from '../base/der.ts'

/** `issuer` is the name as DER; times are ms since 1970, `nextUpdate` null for a list that never ends. */
export type Crl = {
  pem: string
  issuer: Buffer
  thisUpdate: number
  nextUpdate: number | null
  /** Tells whether this key signed it; null where that cannot be told here. OpenSSL checks it again at each handshake. */
  isSignedBy(key: KeyObject): boolean | null
  /** SHA-256, in hex with colons. */
  fingerprint: string
}

const BLOCK = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+?)-----END X509 CRL-----/g

/** By the OID of the signature: the hash, null for those that bring their own. */
const HASHES = new Map<string, string | null>([
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
  ['2b6570', null],
  ['2b6571', null],
])

/** Needs the text of a file; gives the lists in it in PEM form, null in place of each that cannot be read. */
export function readCrls(text: string): (Crl | null)[] {
  return [...text.matchAll(BLOCK)].map(([, base64 = '']) => readCrl(Buffer.from(base64, 'base64')))
}

function readCrl(der: Buffer): Crl | null {
  const [tbs, algorithm, signature] = inside(der) ?? []
  const all = tbs?.tag === SEQUENCE ? readDer(tbs.content) : null
  if (all === null || tbs === undefined || signature?.tag !== BIT_STRING) return null
  const [, issuer, from, to] = all[0]?.tag === INTEGER ? all.slice(1) : all
  const thisUpdate = from === undefined ? null : timeOf(from)
  if (issuer?.tag !== SEQUENCE || thisUpdate === null) return null
  const [oid] = readDer(algorithm?.content ?? Buffer.alloc(0)) ?? []
  const hash = HASHES.get(oid?.content.toString('hex') ?? '')
  return {
    pem: toPem(der),
    issuer: issuer.whole,
    thisUpdate,
    nextUpdate: to === undefined ? null : timeOf(to),
    isSignedBy: (key) => (hash === undefined ? null : verify(hash, tbs.whole, key, signature.content.subarray(1))),
    fingerprint: createHash('sha256')
      .update(der)
      .digest('hex')
      .toUpperCase()
      .replace(/..(?=.)/g, '$&:'),
  }
}

/** UTCTime or GeneralizedTime, which DER wants in UTC with seconds. Years of two digits are those of RFC 5280, 4.1.2.5.1. */
function timeOf({ tag, content }: Der): number | null {
  const digits = /^(\d{12}|\d{14})Z$/.exec(content.toString('latin1'))?.[1]
  if (digits === undefined || (tag === 0x17 ? 12 : tag === 0x18 ? 14 : 0) !== digits.length) return null
  const full = tag === 0x18 ? digits : `${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}`
  const at = Date.parse(full.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
  return Number.isNaN(at) ? null : at
}

/** Written anew: text around the blocks, or a missing line end between two, would trip OpenSSL up. */
function toPem(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`
}
