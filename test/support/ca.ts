/** A CA of the tests' own: root, intermediate, client certificates and revocation lists, made with Node alone. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { generate } from 'selfsigned'
import { certificateParts } from '../../src/base/der.ts'

const DAY = 86_400_000

/** All PEM. */
export type Issued = { cert: string; key: string }
type Wanted = { ca?: boolean; server?: boolean; emails?: string[]; from?: number; to?: number; by?: Issued }

/** Issues a certificate for that CN; by itself where no issuer is named. */
export async function issue(
  name: string,
  { ca = false, server = false, emails = [], from, to, by }: Wanted = {},
): Promise<Issued> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(from ?? Date.now() - DAY),
    notAfterDate: new Date(to ?? Date.now() + 90 * DAY),
    extensions: [
      { name: 'basicConstraints', cA: ca, critical: true },
      ...(server ? [{ name: 'extKeyUsage' as const, serverAuth: true }] : []),
      ...(emails.length === 0
        ? []
        : [{ name: 'subjectAltName' as const, altNames: emails.map((value) => ({ type: 1 as const, value })) }]),
    ],
    ...(by === undefined ? {} : { ca: by }),
  })
  return { cert: `${made.cert.trim()}\n`, key: made.private }
}

type ListWanted = { revoked?: Issued[]; from?: number; to?: number | null; signer?: Issued }

/** Gives the revocation list of a CA in PEM form (RFC 5280, 5.1), ECDSA with SHA-256. `signer`: another key than its own. */
export function revocations(
  ca: Issued,
  { revoked = [], from = Date.now() - DAY, to = Date.now() + DAY, signer = ca }: ListWanted = {},
): string {
  const parts = certificateParts(new X509Certificate(ca.cert).raw)
  if (parts === null) throw new Error('no certificate')
  const algorithm = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const rows = revoked.map(({ cert }) => der(0x30, integer(new X509Certificate(cert).serialNumber), time(from)))
  const tbs = der(
    0x30,
    der(0x02, Buffer.of(1)),
    algorithm,
    parts.subject,
    time(from),
    ...(to === null ? [] : [time(to)]),
    ...(rows.length === 0 ? [] : [der(0x30, ...rows)]),
  )
  const signature = sign('sha256', tbs, createPrivateKey(signer.key))
  const list = der(0x30, tbs, algorithm, der(0x03, Buffer.of(0), signature))
  const lines = list.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), content])
  const octets = length < 256 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 255)
  return Buffer.concat([Buffer.of(tag), octets, content])
}

function integer(hex: string): Buffer {
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return der(0x02, (bytes[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
}

/** As GeneralizedTime from 2050 on (RFC 5280, 5.1.2.4). */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+Z|[-:T]/g, '')
  const isLate = Number(digits.slice(0, 4)) >= 2050
  return der(isLate ? 0x18 : 0x17, Buffer.from(`${isLate ? digits : digits.slice(2)}Z`))
}
