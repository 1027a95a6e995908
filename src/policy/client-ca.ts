/** `tls.client_ca`: who may vouch for client certificates, and the lists that take it back. Held against each other before they are served with. */
import { X509Certificate } from 'node:crypto'
import { relative } from 'node:path'
import { certificateParts } from '../base/der.ts'
import { writeDay } from '../base/day.ts'
import { CERTIFICATE_FILE_MAX, CRL_FILE_MAX, CRL_WARN_SHARE } from '../base/limits.ts'
import { type Crl, readCrls } from './crl.ts'
import type { Finding } from './findings.ts'
import type { Opened, Reading } from './reading.ts'
import type { Postern } from './schema.ts'

/** A file that runs out: the path as the policy writes it, when (ms since 1970), and from when that is worth a word. */
export type Ending = { name: string; at: number; warnFrom: number; fingerprint: string }

/** `ca` and `crls` are in PEM form. What has run out is no fault: certificates are refused then, and codes go on. */
export type ClientCa = { ca: string[]; crls: string[]; userFrom: 'san_email' | 'cn'; endings: Ending[] }

type Authority = { certificate: X509Certificate; subject: Buffer; shown: string }

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Needs postern.yaml as read and as examined; gives what is to be served with, or null where there is none or it does not fit. */
export async function loadClientCa(
  reading: Reading,
  { file, name }: Opened,
  { tls }: Postern,
): Promise<ClientCa | null> {
  const wanted = tls.client_ca
  if (wanted === null) return null
  const { faults, warnings } = reading.findings
  const tell = (list: Finding[], key: 'ca' | 'crl', message: string) =>
    list.push({ file: name, ...file.place(['tls', 'client_ca', key]), message })
  const [caName, crlName] = [reading.shown(wanted.ca), reading.shown(wanted.crl ?? '')]
  const before = faults.length
  const authorities = await readAuthorities(reading, wanted.ca, (message) => tell(faults, 'ca', `${caName} ${message}`))
  if (wanted.crl === null)
    tell(faults, 'crl', `\`tls.client_ca\` needs \`crl\`: without a list no certificate could ever be taken back`)
  const lists =
    wanted.crl === null
      ? []
      : await readLists(reading, wanted.crl, (message) => tell(faults, 'crl', `${crlName} ${message}`))
  if (faults.length > before || wanted.crl === null) return null
  const used = authorities.map((authority) => ({ authority, list: listOf(authority, lists) }))
  for (const { authority, list } of used) {
    const fault = list === null ? missing(authority, lists, caName) : null
    if (fault !== null) tell(faults, 'crl', `${crlName} ${fault}`)
  }
  if (faults.length > before) return null
  const ofFile = (path: string) => relative(reading.folder, path)
  const endings = [
    caEnding(ofFile(wanted.ca), authorities, tls.warn_before_expiry),
    ...crlEnding(
      ofFile(wanted.crl),
      used.flatMap(({ list }) => list ?? []),
      tls.warn_before_expiry,
    ),
  ]
  for (const [i, ending] of endings.entries()) {
    const words = endingWords(ending, reading.now)
    if (words !== null) tell(warnings, i === 0 ? 'ca' : 'crl', `${i === 0 ? caName : crlName} ${words}`)
  }
  return {
    ca: authorities.map(({ certificate }) => certificate.toString()),
    crls: lists.map(({ pem }) => pem),
    userFrom: wanted.user_from,
    endings,
  }
}

/** Gives the words that follow a file's name when it has run out, or soon will; else null. */
export function endingWords({ at, warnFrom }: Ending, now: number): string | null {
  if (now >= at) return `ran out on ${writeDay(at)}: client certificates are refused; get a new one`
  return now >= warnFrom ? `runs out on ${writeDay(at)}; get a new one, or client certificates are refused then` : null
}

async function readAuthorities(reading: Reading, path: string, tell: (message: string) => void): Promise<Authority[]> {
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

async function readLists(reading: Reading, path: string, tell: (message: string) => void): Promise<Crl[]> {
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
function crlEnding(name: string, lists: readonly Crl[], warnBefore: number): Ending[] {
  const ends = lists.flatMap(({ nextUpdate, thisUpdate, fingerprint }) => {
    if (nextUpdate === null) return []
    const ahead = Math.min(warnBefore, (nextUpdate - thisUpdate) * CRL_WARN_SHARE)
    return [{ name, at: nextUpdate, warnFrom: nextUpdate - ahead, fingerprint }]
  })
  return ends.length === 0 ? [] : [ends.reduce((a, b) => (b.at < a.at ? b : a))]
}
