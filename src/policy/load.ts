/** Reads the whole set of policies, or says all that is wrong with it. */
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { z } from 'zod'
import { writeDay } from '../base/day.ts'
import { LIST_FILE_MAX, POLICY_FILE_MAX } from '../base/limits.ts'
import type { RuleAt } from '../audit/events.ts'
import { type Compile, workHere } from '../compiler/job.ts'
import { type Certificate, loadCertificate } from './certificates.ts'
import type { Environment } from './environment.ts'
import { examine, sentence } from './examine.ts'
import { type Finding, render, START } from './findings.ts'
import { type ForwardPlan, loadForwards } from './forwards.ts'
import { type GatePolicies, type GateTools, loadGateFiles } from './gate-files.ts'
import type { PolicyName } from './not-yet.ts'
import type { PolicyFile } from './read-file.ts'
import { type Opened, type Reading, startReading } from './reading.ts'
import { parseRoster } from './roster.ts'
import { type Login, loginSchema, type Postern, posternSchema, type SchemaContext } from './schema.ts'
import { loginSense, posternSense, type Remarks } from './sense.ts'
import { type Path, readYaml } from './yaml-file.ts'

/** A set of policies without a fault. A check that `checks` does not name is null. */
export type Policies = GatePolicies & {
  /** Where postern.yaml lies, absolute. */
  folder: string
  postern: Postern
  login: Login
  /** Every spelling of every user in plain form, to the canonical name; null when login.yaml names no roster. */
  roster: ReadonlyMap<string, string> | null
  certificates: Certificate[]
  forwards: ForwardPlan[]
  /** Pairs on disk that do not fit, where the last good pair goes on. Only with `lastGood`. */
  rejected: { name: string; reason: string }[]
  /** Environment variables that the files use. */
  variables: string[]
  /** Where a key stands, as `file:line:column`, with what is written there. For messages about values. */
  tell: (file: PolicyName, path: Path, message: string) => string
  /** A rule of postern.yaml with the line that its key stands on. */
  ruleAt: (rule: string, path: Path) => RuleAt
}

/** Faults and warnings are lines `file:line:column: message`. `files` are all that were read or looked for. */
export type Loaded =
  | { ok: true; policies: Policies; warnings: string[]; files: PolicyFile[] }
  | { ok: false; faults: string[]; warnings: string[]; files: PolicyFile[] }

/**
 * `lastGood`: the pairs in force. With it, a pair on disk that does not fit is no fault: the one in force goes on.
 * Without it, as at start, it is one. `compileAs`: who parses the lists, given the user that helpers run as; without it this
 * process does.
 */
export type LoadOptions = {
  now?: number
  lastGood?: readonly Certificate[]
  compileAs?: (user: string) => Compile
}

/**
 * Needs postern.yaml as the operator named it, and the environment for `${NAME}`. Reads it and all that it leads to: the
 * other policy files beside it, lists, the roster, certificates and keys. Collects every fault; throws none.
 */
export async function loadPolicies(file: string, environment: Environment, options: LoadOptions = {}): Promise<Loaded> {
  const reading = startReading(file, environment, options.now ?? Date.now(), workHere)
  await lookAtFolder(reading, file)
  const opened = await openAll(reading, resolve(file))
  const postern = opened.postern && examineFile(reading, opened.postern, 'postern.yaml', posternSchema)
  const login = opened.login && examineFile(reading, opened.login, 'login.yaml', loginSchema)
  const pairs = await pairsOf(reading, opened.postern, postern, options.lastGood)
  if (opened.postern && postern) {
    add(reading, opened.postern, posternSense(postern))
    await lookAtKey(reading, opened.postern, postern)
  }
  if (opened.login && login) add(reading, opened.login, loginSense(login))
  const forwards = await forwardsOf(reading, opened.postern, postern)
  const roster = opened.login && login ? await loadRoster(reading, opened.login, login) : null
  if (options.compileAs && postern) reading.compile = options.compileAs(postern.processes.user)
  const tools = gateTools(reading, opened.postern, postern)
  const { opened: gateFiles, ...gate } = await loadGateFiles(tools, login, postern?.state.path ?? null)

  const files = reading.reader.files()
  const warnings = render(reading.findings.warnings)
  if (reading.findings.faults.length > 0 || !postern || !login) {
    return { ok: false, faults: render(reading.findings.faults), warnings, files }
  }
  const tell = teller({
    'postern.yaml': opened.postern,
    'login.yaml': opened.login,
    'geofence.yaml': gateFiles.geofence,
    'reputation.yaml': gateFiles.reputation,
  })
  const ruleAt = placer(opened.postern)
  const variables = [...reading.variables]
  const read = { folder: reading.folder, postern, login, roster, forwards, variables, ...pairs }
  const policies = { ...read, ...gate, tell, ruleAt }
  return { ok: true, policies, warnings, files }
}

async function openAll(reading: Reading, file: string): Promise<{ postern: Opened | null; login: Opened | null }> {
  const postern = await open(reading, file, 'write it, or name another with -c')
  const login = await open(reading, join(reading.folder, 'login.yaml'), `it must lie beside ${basename(file)}`)
  return { postern, login }
}

/** Reads a YAML file; one that cannot be read is a fault at its start. */
async function open(reading: Reading, path: string, help: string): Promise<Opened | null> {
  const name = reading.shown(path)
  const text = await reading.reader.read(path, 'policy', POLICY_FILE_MAX)
  if (text.ok) {
    if ((text.mode & 0o002) !== 0) warn(reading, name, `the file can be written by everybody; chmod o-w ${name}`)
    const file = readYaml(text.text, reading.environment)
    for (const variable of file.used) reading.variables.add(variable)
    return { name, file }
  }
  const { line, column, message } = text
  reading.findings.faults.push({ file: name, line, column, message: `the file ${message}; ${help}` })
  return null
}

function warn(reading: Reading, file: string, message: string): void {
  reading.findings.warnings.push({ file, ...START, message })
}

function examineFile<T>(
  reading: Reading,
  { file, name }: Opened,
  kind: PolicyName,
  schema: (context: SchemaContext) => z.ZodType<T>,
): T | null {
  const keyFromEnvironment = /^["']?\$\{POSTERN_MASTER_KEY\}["']?$/.test(file.written(['state', 'key_file']) ?? '')
  const examined = examine(file, kind, name, schema({ folder: reading.folder, keyFromEnvironment }))
  reading.findings.faults.push(...examined.faults)
  return examined.value
}

function add(reading: Reading, opened: Opened, remarks: Remarks): void {
  reading.findings.faults.push(...remarks.faults.map(({ path, message }) => at(opened, path, message)))
  reading.findings.warnings.push(...remarks.warnings.map(({ path, message }) => at(opened, path, message)))
}

function at({ file, name }: Opened, path: Path, message: string): Finding {
  return { file: name, ...file.place(path), message: sentence(file, path, message) }
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

async function pairsOf(
  reading: Reading,
  opened: Opened | null,
  postern: Postern | null,
  lastGood: readonly Certificate[] | undefined,
): Promise<Pick<Policies, 'certificates' | 'rejected'>> {
  const made: Pick<Policies, 'certificates' | 'rejected'> = { certificates: [], rejected: [] }
  if (opened === null || postern === null) return made
  for (const [i] of postern.tls.certificates.entries()) {
    const result = await loadPair(reading, opened, postern, i, lastGood)
    if (result.certificate) made.certificates.push(result.certificate)
    if (result.rejected) made.rejected.push(result.rejected)
  }
  return made
}

async function forwardsOf(reading: Reading, opened: Opened | null, postern: Postern | null): Promise<ForwardPlan[]> {
  if (opened === null || postern === null) return []
  const { plans, remarks } = await loadForwards(postern.audit.forward, reading)
  add(reading, opened, remarks)
  return plans
}

async function loadRoster(
  reading: Reading,
  opened: Opened,
  { users }: Login,
): Promise<ReadonlyMap<string, string> | null> {
  if (users.roster === null) return null
  const shown = reading.shown(users.roster)
  const text = await reading.reader.read(users.roster, 'list', LIST_FILE_MAX)
  if (!text.ok) {
    const message = `\`users.roster\`: ${shown} ${text.message}; mend it, or take it out`
    reading.findings.faults.push({ file: opened.name, ...opened.file.place(['users', 'roster']), message })
    return null
  }
  const roster = parseRoster(text.text, users)
  reading.findings.faults.push(...roster.faults.map((fault) => ({ file: shown, ...fault })))
  return roster.names
}

/** A check that is named and whose file is missing would be a gate that stands open. */
function gateTools(reading: Reading, by: Opened | null, postern: Postern | null): GateTools {
  return {
    reading,
    add: (opened, remarks) => {
      add(reading, opened, remarks)
    },
    open: async (check, schema) => {
      // With faults in postern.yaml networks are looked at all the same, so that theirs are told too.
      if (!(postern?.checks ?? ['networks']).includes(check)) return null
      const path = join(reading.folder, `${check}.yaml`)
      const opened = await open(reading, path, `\`checks\` of ${by?.name ?? 'postern.yaml'} names it`)
      const value = opened && examineFile(reading, opened, `${check}.yaml`, schema)
      return opened === null || value === null ? null : { opened, value }
    },
  }
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

async function lookAtFolder(reading: Reading, file: string): Promise<void> {
  const mode = await stat(reading.folder).then(
    (facts) => facts.mode,
    () => 0,
  )
  const shown = reading.shown(reading.folder) || '.'
  if ((mode & 0o022) === 0) return
  warn(
    reading,
    reading.shown(resolve(file)),
    `the folder ${shown} can be written by others than its owner; chmod go-w ${shown}`,
  )
}

function placer(opened: Opened | null): Policies['ruleAt'] {
  return (rule, path) => ({ file: 'postern.yaml', line: opened?.file.place(path).line ?? 0, rule })
}

function teller(opened: Partial<Record<PolicyName, Opened | null>>): Policies['tell'] {
  return (file, path, message) => {
    const one = opened[file]
    return one ? (render([at(one, path, message)])[0] ?? '') : `${file}:1:1: ${message}`
  }
}
