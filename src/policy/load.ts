/** Reads the whole set of policies, or says all that is wrong with it. */
import { stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { z } from 'zod'
import { LIST_FILE_MAX, POLICY_FILE_MAX } from '../base/limits.ts'
import type { RuleAt } from '../audit/events.ts'
import { type Compile, workHere } from '../compiler/job.ts'
import type { BackendTls } from '../keeper/messages.ts'
import { loadTrust } from './backend-tls.ts'
import type { Certificate } from './certificates.ts'
import type { Environment } from './environment.ts'
import { examine } from './examine.ts'
import { render, START } from './findings.ts'
import { type ForwardPlan, loadForwards } from './forwards.ts'
import { type GatePolicies, type GateTools, loadGateFiles } from './gate-files.ts'
import type { PolicyName } from './not-yet.ts'
import type { PolicyFile } from './read-file.ts'
import { type Opened, type Reading, startReading } from './reading.ts'
import { type Keys, loadKeys } from './load-keys.ts'
import { notRequiredSense } from './not-required.ts'
import { add, at } from './remark.ts'
import { parseRoster } from './roster.ts'
import { type LoginRule, loadRules, rulesSense } from './rules.ts'
import { type Login, loginSchema, type Postern, posternSchema, type SchemaContext } from './schema.ts'
import { loginSense, posternSense } from './sense.ts'
import { type Path, readYaml } from './yaml-file.ts'

/** A set of policies without a fault. A check that `checks` does not name is null. */
export type Policies = GatePolicies &
  Keys & {
    /** Where postern.yaml lies, absolute. */
    folder: string
    postern: Postern
    login: Login
    /** Every spelling of every user in plain form, to the canonical name; null when login.yaml names no roster. */
    roster: ReadonlyMap<string, string> | null
    rules: LoginRule[]
    forwards: ForwardPlan[]
    /** How each backend is reached under TLS, in the order of postern.yaml; null for plain POP3. */
    backendTls: (BackendTls | null)[]
    /** Where `second_factor.methods` stand, for the audit. */
    methodsAt: RuleAt
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
  if (opened.postern && postern) add(reading, opened.postern, posternSense(postern))
  const keys = await loadKeys(reading, opened.postern, postern, options.lastGood)
  const backendTls = opened.postern && postern ? await trustOf(reading, opened.postern, postern) : []
  const forwards = await forwardsOf(reading, opened.postern, postern)
  if (options.compileAs && postern) reading.compile = options.compileAs(postern.processes.user)
  const { roster, rules } = await loadLogin(reading, opened.login, login, postern)
  const tools = gateTools(reading, opened.postern, postern)
  const { opened: gateFiles, ...gate } = await loadGateFiles(tools, login, postern?.state.path ?? null)

  const files = reading.reader.files()
  const warnings = render(reading.findings.warnings)
  if (reading.findings.faults.length > 0 || !postern || !login || !rules) {
    return { ok: false, faults: render(reading.findings.faults), warnings, files }
  }
  const tell = teller({
    'postern.yaml': opened.postern,
    'login.yaml': opened.login,
    'geofence.yaml': gateFiles.geofence,
    'reputation.yaml': gateFiles.reputation,
  })
  const ruleAt = placer('postern.yaml', opened.postern)
  const methodsAt = placer('login.yaml', opened.login)('second_factor.methods', ['second_factor', 'methods'])
  const read = { folder: reading.folder, postern, login, roster, rules, methodsAt, backendTls, forwards, ...keys }
  const policies = { ...read, ...gate, variables: [...reading.variables], tell, ruleAt }
  return { ok: true, policies, warnings, files }
}

type LoginParts = { roster: Policies['roster']; rules: LoginRule[] | null }

/** What login.yaml leads to: the roster, and the rules with their lists. */
async function loadLogin(
  reading: Reading,
  opened: Opened | null,
  login: Login | null,
  postern: Postern | null,
): Promise<LoginParts> {
  if (opened === null || login === null) return { roster: null, rules: null }
  add(reading, opened, loginSense(login))
  if (postern !== null) {
    add(reading, opened, rulesSense(login, postern))
    add(reading, opened, notRequiredSense(login, postern))
  }
  return { roster: await loadRoster(reading, opened, login), rules: await loadRules(reading, opened, login) }
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

async function trustOf(reading: Reading, opened: Opened, postern: Postern): Promise<Policies['backendTls']> {
  const trust = await loadTrust(reading, postern)
  add(reading, opened, trust)
  return trust.backends
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
  const roster = await parseRoster(text.text, users)
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

function placer(file: PolicyName, opened: Opened | null): Policies['ruleAt'] {
  return (rule, path) => ({ file, line: opened?.file.place(path).line ?? 0, rule })
}

function teller(opened: Partial<Record<PolicyName, Opened | null>>): Policies['tell'] {
  return (file, path, message) => {
    const one = opened[file]
    return one ? (render([at(one, path, message)])[0] ?? '') : `${file}:1:1: ${message}`
  }
}
