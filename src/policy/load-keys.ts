/** What postern.yaml names of keys and certificates: TLS's own, the client CA's, and where the master key lies. */
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { writeDay } from '../base/day.ts'
import { type Certificate, loadCertificate } from './certificates.ts'
import { type ClientCa, loadClientCa } from './client-ca.ts'
import type { Opened, Reading } from './reading.ts'
import { at } from './remark.ts'
import type { Postern } from './schema.ts'

export type Keys = {
  certificates: Certificate[]
  /** Pairs on disk that do not fit, where the last good pair goes on. Only with `lastGood`. */
  rejected: { name: string; reason: string }[]
  /** Null where `tls.client_ca` is not set. */
  clientCa: ClientCa | null
}

/** Needs postern.yaml as read and as examined; gives what TLS is served with. `lastGood`: the pairs in force, at a reload. */
export async function loadKeys(
  reading: Reading,
  opened: Opened | null,
  postern: Postern | null,
  lastGood: readonly Certificate[] | undefined,
): Promise<Keys> {
  const keys: Keys = { certificates: [], rejected: [], clientCa: null }
  if (opened === null || postern === null) return keys
  for (const [i] of postern.tls.certificates.entries()) {
    const result = await loadPair(reading, opened, postern, i, lastGood)
    if (result.certificate) keys.certificates.push(result.certificate)
    if (result.rejected) keys.rejected.push(result.rejected)
  }
  await lookAtKey(reading, opened, postern)
  return { ...keys, clientCa: await loadClientCa(reading, opened, postern) }
}

type Pair = { certificate?: Certificate; rejected?: { name: string; reason: string } }

async function loadPair(
  reading: Reading,
  { file, name }: Opened,
  { tls }: Postern,
  i: number,
  lastGood: readonly Certificate[] | undefined,
): Promise<Pair> {
  const pair = tls.certificates[i]
  if (pair === undefined) return {}
  const place = { file: name, ...file.place(['tls', 'certificates', i]) }
  const { findings, now } = reading
  const files = { name: relative(reading.folder, pair.cert), ...pair }
  const read = await loadCertificate(files, reading.reader, now, reading.shown)
  const inForce = lastGood?.find((one) => one.cert === pair.cert && one.key === pair.key)
  const early = read.ok ? read.value.outOfTime : null
  const reason = early === null ? (read.ok ? null : read.fault) : `${reading.shown(pair.cert)} ${early}`
  if (inForce !== undefined && reason !== null && (!read.ok || inForce.notAfter >= now)) {
    findings.warnings.push({ ...place, message: `${reason}; the last good pair goes on` })
    return { certificate: inForce, rejected: { name: files.name, reason } }
  }
  if (!read.ok) {
    findings.faults.push({ ...place, message: read.fault })
    return {}
  }
  const { notAfter, outOfTime, warnings } = read.value
  const ends = outOfTime === null && notAfter - now < tls.warn_before_expiry
  const soon = ends ? [`${reading.shown(pair.cert)} runs out on ${writeDay(notAfter)}; renew it`] : []
  findings.warnings.push(...[...warnings, ...soon].map((message) => ({ ...place, message })))
  return { certificate: read.value }
}

/** A backup or a thief that gets the state must not get the key to it along with it. */
async function lookAtKey(reading: Reading, opened: Opened, { state }: Postern): Promise<void> {
  if (state.key_file.from !== 'file') return
  const path = ['state', 'key_file']
  const [key, folder] = await Promise.all([real(state.key_file.path), real(state.path)])
  if (key === folder || key.startsWith(folder + sep)) {
    reading.findings.faults.push(
      at(opened, path, 'lies inside `state.path`: whoever copies the state has its key; move it'),
    )
  }
  const mode = await stat(key).then(
    (facts) => facts.mode,
    () => 0,
  )
  const shown = reading.shown(state.key_file.path)
  if ((mode & 0o077) !== 0) {
    reading.findings.warnings.push(at(opened, path, `can be read by others than its owner; chmod 600 ${shown}`))
  }
}

/** A path with its links followed, as far as it exists. */
async function real(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    return dirname(path) === path ? path : join(await real(dirname(path)), basename(path))
  }
}
