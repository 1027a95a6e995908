/** `tls.client_ca`: who may vouch for client certificates, and the lists that take it back. Held against each other before they are served with. */
import { X509Certificate } from 'node:crypto'
import { relative } from 'node:path'
import { certificateParts } from '../base/der.ts'
import { writeDay } from '../base/day.ts'
import { CERTIFICATE_FILE_MAX } from '../base/limits.ts'
import { CRL_FILE_MAX, CRL_WARN_SHARE } from '../base/login-limits.ts'
import { type Crl, readCrls } from './crl.ts'
import type { Opened, Reading } from './reading.ts'
import type { Postern } from './schema.ts'

/** A file that runs out: the path as the policy writes it, when (ms since 1970), and from when that is worth a word. */
export type Ending = { name: string; at: number; warnFrom: number; fingerprint: string }

/** `ca` and `crls` are in PEM form. What has run out is no fault: certificates are refused then, and codes go on. */
export type ClientCa = { ca: string[]; crls: string[]; userFrom: 'san_email' | 'cn'; endings: Ending[] }

type Authority = { certificate: X509Certificate; subject: Buffer; shown: string }

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

type Tell = (message: string) => void

/** Needs postern.yaml as read and as examined; gives what is to be served with, or null where there is none or it does not fit. */
export async function loadClientCa(reading: Reading, opened: Opened, { tls }: Postern): Promise<ClientCa | null> {
  const wanted = tls.client_ca
  if (wanted === null) return null
  const { ca, crl, user_from: userFrom } = wanted
  const { faults, warnings } = reading.findings
  const place = (key: 'ca' | 'crl') => ({ file: opened.name, ...opened.file.place(['tls', 'client_ca', key]) })
  const faultOf = (key: 'ca' | 'crl', path: string): Tell => {
    return (message) => faults.push({ ...place(key), message: `${reading.shown(path)} ${message}` })
  }
  const before = faults.length
  const authorities = await readAuthorities(reading, ca, faultOf('ca', ca))
  if (crl === null) {
    const message = '`tls.client_ca` needs `crl`: without a list no certificate could ever be taken back'
    faults.push({ ...place('crl'), message })
    return null
  }
  const lists = await readLists(reading, crl, faultOf('crl', crl))
  const used = faults.length > before ? [] : match(authorities, lists, reading.shown(ca), faultOf('crl', crl))
  if (faults.length > before) return null
  const name = (path: string) => relative(reading.folder, path)
  const ends = { ca: caEnding(name(ca), authorities, tls.warn_before_expiry), crl: crlEnding(name(crl), used, tls.warn_before_expiry) } // prettier-ignore
  for (const [key, path] of [
    ['ca', ca],
    ['crl', crl],
  ] as const) {
    // prettier-ignore
    const words = ends[key] === null ? null : endingWords(ends[key], reading.now)
    if (words !== null) warnings.push({ ...place(key), message: `${reading.shown(path)} ${words}` })
  }
  const endings = [ends.ca, ...(ends.crl === null ? [] : [ends.crl])]
  const pems = authorities.map(({ certificate }) => certificate.toString())
  return { ca: pems, crls: lists.map(({ pem }) => pem), userFrom, endings }
}

/** Gives the list of each authority; one that has none is a fault. */
function match(authorities: readonly Authority[], lists: readonly Crl[], caName: string, tell: Tell): Crl[] {
  return authorities.flatMap((authority) => {
    const list = listOf(authority, lists)
    if (list === null) tell(missing(authority, lists, caName))
    return list ?? []
  })
}

/** Gives the words that follow a file's name when it has run out, or soon will; else null. */
export function endingWords({ at, warnFrom }: Ending, now: number): string | null {
  if (now >= at) return `ran out on ${writeDay(at)}: client certificates are refused; get a new one`
  return now >= warnFrom ? `runs out on ${writeDay(at)}; get a new one, or client certificates are refused then` : null
}

async function readAuthorities(reading: Reading, path: string, tell: Tell): Promise<Authority[]> {
  const text = await reading.reader.read(path, 'certificate', CERTIFICATE_FILE_MAX)
  if (!text.ok) {
    tell(`${text.message}; put the certificates of your CA there in PEM form`)
    return []
  }
  const found: Authority[] = []
  for (const block of text.text.match(CERTIFICATE) ?? []) {
    const certificate = readCertificate(block)
    const subject = certificate === null ? null : (certificateParts(certificate.raw)?.subject ?? null)
    if (certificate === null || subject === null)
      tell(`holds a certificate (number ${found.length + 1}) that cannot be read`)
    else found.push({ certificate, subject, shown: certificate.subject.split('\n').at(-1)?.slice(0, 100) ?? '' })
  }
  if (found.length === 0) tell('holds no certificate in PEM form')
  for (const { certificate, shown } of found) {
    if (!certificate.ca) tell(`holds ${shown}, which is no CA; put the certificates of the CA there, root first`)
    else if (!found.some((other) => certificate.checkIssued(other.certificate)))
      tell(`lacks the issuer of ${shown}; put the whole chain there, up to the root`)
  }
  return found
}

function readCertificate(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block)
  } catch {
    return null
  }
}

async function readLists(reading: Reading, path: string, tell: Tell): Promise<Crl[]> {
  const text = await reading.reader.read(path, 'certificate', CRL_FILE_MAX)
  if (!text.ok) {
    tell(text.message.includes('UTF-8') ? 'is no PEM file; openssl crl -inform DER -in FILE -out FILE.pem turns it into one' : `${text.message}; put the revocation lists of your CA there in PEM form`) // prettier-ignore
    return []
  }
  const lists = readCrls(text.text)
  if (lists.length === 0) tell('holds no revocation list in PEM form (`BEGIN X509 CRL`)')
  if (lists.includes(null)) tell(`holds a revocation list (number ${lists.indexOf(null) + 1}) that cannot be read`)
  return lists.flatMap((list) => list ?? [])
}

/** The newest list that an authority signed. */
function listOf({ subject, certificate }: Authority, lists: readonly Crl[]): Crl | null {
  const own = lists.filter((list) => list.issuer.equals(subject) && list.isSignedBy(certificate.publicKey) !== false)
  return own.toSorted((a, b) => a.thisUpdate - b.thisUpdate).at(-1) ?? null
}

function missing({ subject, shown }: Authority, lists: readonly Crl[], caName: string): string {
  return lists.some(({ issuer }) => issuer.equals(subject))
    ? `holds a list of ${shown} that was not signed with its key in ${caName}; get it anew`
    : `holds no list of ${shown}: every CA of the chain needs one, or its certificates are all refused`
}

function caEnding(name: string, authorities: readonly Authority[], warnBefore: number): Ending {
  const ends = authorities.map(({ certificate }) => ({
    at: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint256,
  }))
  const first = ends.reduce((a, b) => (b.at < a.at ? b : a))
  return { name, ...first, warnFrom: first.at - warnBefore }
}

/** A list that is made anew each week would always be close to its end by the measure of certificates. */
function crlEnding(name: string, lists: readonly Crl[], warnBefore: number): Ending | null {
  const ends = lists.flatMap(({ nextUpdate, thisUpdate, fingerprint }) => {
    if (nextUpdate === null) return []
    const ahead = Math.min(warnBefore, (nextUpdate - thisUpdate) * CRL_WARN_SHARE)
    return [{ name, at: nextUpdate, warnFrom: nextUpdate - ahead, fingerprint }]
  })
  return ends.length === 0 ? null : ends.reduce((a, b) => (b.at < a.at ? b : a))
}
