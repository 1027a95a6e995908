/**
 * The certificate that a client showed. TLS never fails for it, so nothing in the handshake tells which users exist; whether it is worth
 * anything is said to the keeper, which holds the name against that of the login.
 */
import type { TLSSocket } from 'node:tls'
import type { CertificateFacts } from '../audit/events.ts'
import { certificateParts, OBJECT_IDENTIFIER, OCTET_STRING, readDer, SEQUENCE, SET } from '../base/der.ts'
import { CERTIFICATE_USERS_MAX } from '../base/login-limits.ts'
import type { ClientCaPlan } from '../keeper/messages.ts'

const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex')
const COMMON_NAME = Buffer.from('550403', 'hex')
/** UTF8String, PrintableString, IA5String. Others have character sets in which look-alikes hide. */
const TEXTS = [0x0c, 0x13, 0x16]
/** `rfc822Name` of a GeneralName (RFC 5280, 4.2.1.6). */
const RFC822_NAME = 0x81
/** What TlsFacts say of a certificate that is good. */
const GOOD = 'good'

/** Needs a finished handshake that asked for a certificate. Gives what the client showed, or null. */
export function certificateOf(socket: TLSSocket, userFrom: ClientCaPlan['userFrom']): CertificateFacts | null {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return null
  // ATTACK: a certificate that was revoked since stays `authorized` on a session that is resumed, and OpenSSL calls a resumed session
  // of TLS 1.3 without any certificate fine. Such listeners resume nothing; this is the second bolt.
  const verdict = socket.isSessionReused() ? 'RESUMED' : socket.authorized ? GOOD : whyNot(socket)
  return {
    verdict,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    serial: certificate.serialNumber.slice(0, 64),
    users: verdict === GOOD ? usersOf(certificate.raw, userFrom) : [],
  }
}

/** OpenSSL's code, such as CERT_REVOKED. */
function whyNot({ authorizationError: error }: TLSSocket): string {
  const code: unknown = (error as (Error & { code?: unknown }) | undefined)?.code ?? error
  return typeof code === 'string' ? code.slice(0, 64) : 'UNTRUSTED'
}

/**
 * Needs a certificate as DER. Gives the names it vouches for, as they are written: every e-mail address of the SAN, or the one CN of the
 * subject. None for a certificate with several CNs, or with more names than anybody has.
 */
export function usersOf(certificate: Buffer, userFrom: ClientCaPlan['userFrom']): string[] {
  const parts = certificateParts(certificate)
  if (parts === null) return []
  const names = userFrom === 'cn' ? commonNames(parts.subject) : emails(parts.extensions)
  const texts = names.flatMap((bytes) => strictText(bytes) ?? [])
  const most = userFrom === 'cn' ? 1 : CERTIFICATE_USERS_MAX
  return texts.length === names.length && texts.length <= most ? texts : []
}

function commonNames(subject: Buffer): Buffer[] {
  const sets = readDer(subject)?.flatMap(({ content }) => readDer(content) ?? []) ?? []
  const pairs = sets.flatMap((set) => (set.tag === SET ? (readDer(set.content) ?? []) : []))
  return pairs.flatMap((pair) => {
    const [type, value] = pair.tag === SEQUENCE ? (readDer(pair.content) ?? []) : []
    if (type?.tag !== OBJECT_IDENTIFIER || !type.content.equals(COMMON_NAME) || value === undefined) return []
    // One that cannot be read must not leave another one alone.
    return [TEXTS.includes(value.tag) ? value.content : Buffer.from([0xff])]
  })
}

function emails(extensions: ReturnType<typeof readDer> & object): Buffer[] {
  for (const extension of extensions) {
    const fields = readDer(extension.content) ?? []
    const [type] = fields
    const value = fields.at(-1)
    if (type?.tag !== OBJECT_IDENTIFIER || !type.content.equals(SUBJECT_ALT_NAME) || value?.tag !== OCTET_STRING)
      continue
    const [names] = readDer(value.content) ?? []
    return (readDer(names?.content ?? Buffer.alloc(0)) ?? [])
      .filter(({ tag }) => tag === RFC822_NAME)
      .map(({ content }) => content)
  }
  return []
}

/** ATTACK: a NUL or a byte that is no UTF-8 lets one reader see `ann` where another sees something longer. */
function strictText(bytes: Buffer): string | null {
  if (bytes.length === 0 || bytes.length > 254 || bytes.includes(0)) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
