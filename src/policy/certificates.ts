/** Certificates and their keys: read, held against each other, and refused with one line that says what to do. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { CERTIFICATE_FILE_MAX } from '../base/limits.ts'
import { writeDay } from '../base/day.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { Secret } from '../base/secret.ts'
import type { Reader } from './read-file.ts'

/** The two files of a pair, absolute, and a name for metrics, audit and log: the path as the policy writes it. */
export type CertificateFiles = { name: string; cert: string; key: string }

/** A pair that fits, both in PEM. `serverNames` are the DNS names of the SAN; times are ms since 1970. */
export type Certificate = CertificateFiles & {
  chain: string
  privateKey: Secret
  serverNames: string[]
  notBefore: number
  notAfter: number
  /** SHA-256 of the certificate, in hex with colons. */
  fingerprint: string
  /** What is no fault and yet worth a word. */
  warnings: string[]
  /** Not valid yet, or no more: no fault at start, or a forgotten renewal would keep everybody out at the next restart. */
  outOfTime: string | null
}

/** The server's own certificate, then each issuer. */
type Chain = [X509Certificate, ...X509Certificate[]]

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const KEY = /-----BEGIN ((?:[A-Z0-9]+ )?)PRIVATE KEY-----[\s\S]+?-----END \1PRIVATE KEY-----/

/**
 * Needs the two files, a reader, the moment, and how to print a path. Gives the pair, or the one reason why TLS cannot
 * be served with it. At start that is a fault; at a reload the caller goes on with the last good pair.
 */
export async function loadCertificate(
  files: CertificateFiles,
  reader: Reader,
  now: number,
  shown: (path: string) => string,
): Promise<Parsed<Certificate>> {
  const [cert, key] = [shown(files.cert), shown(files.key)]
  // Both are read whatever comes of the first: a missing file is watched, so that its coming is noticed.
  const chainText = await reader.read(files.cert, 'certificate', CERTIFICATE_FILE_MAX)
  const keyText = await reader.read(files.key, 'key', CERTIFICATE_FILE_MAX)
  if (!chainText.ok) return faulty(`${cert} ${unread(chainText.message, 'the certificate and its chain')}`)
  if (!keyText.ok) return faulty(`${key} ${unread(keyText.message, 'its private key')}`)
  const chain = readChain(chainText.text)
  if (!chain.ok) return faulty(`${cert} ${chain.fault}`)
  const privateKey = readKey(keyText.text, key)
  if (!privateKey.ok) return faulty(`${key} ${privateKey.fault}`)
  const pair = fit(files, chain.value, privateKey.value, { now, key })
  if (!pair.ok) return faulty(`${cert} ${pair.fault}`)
  if (pair.value.outOfTime !== null) pair.value.warnings.push(`${cert} ${pair.value.outOfTime}`)
  if ((keyText.mode & 0o077) !== 0) {
    pair.value.warnings.push(`${key} can be read by others than its owner; chmod 600 ${key}`)
  }
  if (pair.value.serverNames.length === 0) {
    pair.value.warnings.push(`${cert} names no host (no DNS entry in subjectAltName); mail programs will refuse it`)
  }
  return pair
}

/** PEM is written anew: text around the blocks, or a missing line end between two, would trip OpenSSL up. */
function fit(
  files: CertificateFiles,
  certificates: Chain,
  key: KeyObject,
  at: { now: number; key: string },
): Parsed<Certificate> {
  const [own, ...issuers] = certificates
  const chain = certificates.map(String).join('')
  const privateKey = Buffer.from(key.export({ type: 'pkcs8', format: 'pem' }))
  const misfit = mismatch(own, issuers, key, at.key) ?? outOfOrder(certificates) ?? unusable(chain, privateKey)
  if (misfit !== null) return faulty(misfit)
  return parsed({
    ...files,
    chain,
    privateKey: new Secret(privateKey),
    serverNames: namesOf(own),
    notBefore: own.validFromDate.getTime(),
    notAfter: own.validToDate.getTime(),
    fingerprint: own.fingerprint256,
    warnings: [],
    outOfTime: outOfTime(own, at.now),
  })
}

function unread(message: string, what: string): string {
  return message.includes('UTF-8')
    ? `is no PEM file; put ${what} there in PEM form`
    : `${message}; put ${what} there in PEM form`
}

function readChain(text: string): Parsed<Chain> {
  const blocks = text.match(CERTIFICATE) ?? []
  const chain: X509Certificate[] = []
  for (const [i, block] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(block))
    } catch {
      return faulty(`holds a certificate (number ${i + 1}) that cannot be read; get it anew from its issuer`)
    }
  }
  const [own, ...issuers] = chain
  return own === undefined ? faulty('holds no certificate in PEM form') : parsed([own, ...issuers])
}

/** A key behind a passphrase is refused: nobody is there to type it when the server starts. */
function readKey(text: string, name: string): Parsed<KeyObject> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    return faulty(`is locked with a passphrase; unlock it: openssl pkey -in ${name} -out FILE`)
  }
  const block = KEY.exec(text)?.[0]
  if (block === undefined) return faulty('holds no private key in PEM form')
  try {
    return parsed(createPrivateKey(block))
  } catch {
    return faulty('holds a private key that cannot be read; put the right file there')
  }
}

function mismatch(own: X509Certificate, issuers: X509Certificate[], key: KeyObject, keyName: string): string | null {
  if (own.checkPrivateKey(key)) return null
  if (issuers.some((issuer) => issuer.checkPrivateKey(key))) {
    return "is in the wrong order; put the server's own certificate first, then each issuer"
  }
  return `and ${keyName} do not belong together; put the key there that this certificate was made for`
}

function outOfOrder(chain: X509Certificate[]): string | null {
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1]
    if (issuer !== undefined && !certificate.checkIssued(issuer)) {
      return `is in the wrong order: certificate ${i + 2} did not issue certificate ${i + 1}; put the server's own first, then each issuer`
    }
  }
  return null
}

function outOfTime(own: X509Certificate, now: number): string | null {
  const [from, to] = [own.validFromDate.getTime(), own.validToDate.getTime()]
  if (now < from) return `is not valid before ${writeDay(from)}; until then mail programs refuse it`
  return now > to ? `ran out on ${writeDay(to)}; renew it, as mail programs refuse it` : null
}

/** The last word is OpenSSL's, as it will serve the pair: it refuses keys that are too short, for one. */
function unusable(cert: string, key: Buffer): string | null {
  try {
    createSecureContext({ cert, key })
    return null
  } catch (error) {
    const reason = (error as { reason?: unknown }).reason
    return `is refused by OpenSSL (${typeof reason === 'string' ? reason : 'unknown reason'}); get another certificate`
  }
}

/** Other kinds of names are of no use for SNI; one that is no host name is left out, as it came from outside. */
function namesOf(certificate: X509Certificate): string[] {
  const entries = certificate.subjectAltName?.split(', ') ?? []
  return entries.flatMap((entry) => {
    const name = /^DNS:((?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)$/.exec(entry)?.[1]
    return name === undefined ? [] : [name.toLowerCase()]
  })
}
