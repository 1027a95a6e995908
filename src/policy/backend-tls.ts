/** Which certificates of old servers are believed. The fronts open no file, so what they need of it is read here. */
import { X509Certificate } from 'node:crypto'
import { getCACertificates, rootCertificates } from 'node:tls'
import { writeDay } from '../base/day.ts'
import { CERTIFICATE_FILE_MAX } from '../base/limits.ts'
import type { BackendTls } from '../keeper/messages.ts'
import type { Reading } from './reading.ts'
import type { Postern } from './schema.ts'
import type { Remark, Remarks } from './sense.ts'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** How each backend is reached, in the order of postern.yaml, and what is to be said about it. */
export type Trust = Remarks & { backends: (BackendTls | null)[] }

/** Needs postern.yaml as examined; reads the files of `tls_ca`. */
export async function loadTrust(reading: Reading, { backends }: Postern): Promise<Trust> {
  const trust: Trust = { backends: [], faults: [], warnings: [] }
  for (const [i, { tls, tls_ca: file, tls_name: name }] of backends.entries()) {
    const tell = (list: Remark[], message: string) => list.push({ path: ['backends', i, 'tls_ca'], message })
    if (tls === 'off') {
      if (file !== null) tell(trust.warnings, 'says nothing as long as `tls` is off')
      trust.backends.push(null)
      continue
    }
    const ca = file === null ? rootsOfSystem() : await readCa(reading, file, trust, tell)
    trust.backends.push({ how: tls, ca, name })
  }
  return trust
}

async function readCa(
  { reader, now }: Reading,
  file: string,
  { faults, warnings }: Remarks,
  tell: (list: Remark[], message: string) => void,
): Promise<string> {
  const read = await reader.read(file, 'certificate', CERTIFICATE_FILE_MAX)
  if (!read.ok) {
    tell(
      faults,
      `${read.message}; put the certificate there that the old server's is to be checked against, in PEM form`,
    )
    return ''
  }
  const found = (read.text.match(CERTIFICATE) ?? []).map(parse)
  if (found.length === 0) tell(faults, 'holds no certificate in PEM form')
  if (found.includes(null)) tell(faults, 'holds a certificate that cannot be read; get it anew')
  const good = found.filter((one) => one !== null)
  const last = Math.max(...good.map(({ validToDate }) => validToDate.getTime()))
  if (good.length > 0 && last < now)
    tell(warnings, `ran out on ${writeDay(last)}; nobody can log in until it is renewed`)
  return good.map(String).join('')
}

function parse(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block)
  } catch {
    return null
  }
}

let roots: string | null = null

/** Those of the system, which an operator adds to; where it has none, those that Node brings. Read once: it takes a moment. */
function rootsOfSystem(): string {
  if (roots !== null) return roots
  const system = new Set(getCACertificates('system'))
  roots = [...(system.size > 0 ? system : rootCertificates)].join('\n')
  return roots
}
