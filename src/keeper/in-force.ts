/**
 * The policies in force. They change as one set or not at all: what is loaded and good replaces what was there; what is not leaves
 * it standing, and says so everywhere an operator looks.
 */
import { lookup } from 'node:dns/promises'
import type { AuditEvent } from '../audit/events.ts'
import { contains, parseAddress } from '../base/ip.ts'
import { endOfDay } from '../base/day.ts'
import type { Log } from '../base/log.ts'
import { Refusal } from '../base/refusal.ts'
import { plainPattern } from '../base/user-pattern.ts'
import { resolveBackends } from '../policy/check.ts'
import { compilePolicies } from '../policy/compile.ts'
import { loadPolicies, type Loaded, type Policies } from '../policy/load.ts'
import type { PolicyFile } from '../policy/read-file.ts'
import { watchFiles, type Watch } from '../policy/watch.ts'
import type { Compile } from '../compiler/job.ts'
import type { Databases } from './databases.ts'
import type { Environment } from './environment.ts'
import type { Feeds } from './feeds.ts'
import type { LoginPolicy } from './login-policy.ts'
import type { Snapshot } from './messages.ts'
import { settleListeners } from './ports.ts'

export type PolicySet = {
  policies: Policies
  login: LoginPolicy
  snapshot: Snapshot
  loadedAt: number
}

export type InForce = {
  current(): PolicySet
  /** The faults of what is on disk, while it is not what is in force. */
  faults(): readonly string[]
  /** Loads again. Throws Refusal with the faults when the set stays as it was. */
  reload(): Promise<void>
  /** Starts to take up changes on disk (`reload: watch`). */
  watch(): void
  stop(): void
}

export type InForceContext = {
  file: string
  environment: Environment
  log: Log
  emit(event: AuditEvent): void
  /** Who parses the lists, given the user that helpers run as. */
  compileAs(user: string): Compile
  /** Makes ready what a set needs from outside; gives the feeds that everybody would be refused for. */
  prepare: Feeds['prepare']
  databases: Databases
  /** What the store must have against a set: see roster-sense.ts. */
  faultsOf(policies: Policies): Promise<string[]>
  /** A new set is in force. */
  changed(set: PolicySet): void
}

type Good = Extract<Loaded, { ok: true }>

/** Reads the policies for the first time. Throws Refusal with every fault. */
export async function readPolicies(
  file: string,
  environment: Environment,
  compileAs: InForceContext['compileAs'],
): Promise<Good> {
  const loaded = await loadPolicies(file, environment, { compileAs })
  if (!loaded.ok) throw new Refusal(...loaded.faults)
  return loaded
}

/** Puts a first set in force. Throws Refusal when its backends have no address or its ports cannot be had. */
export async function putInForce(first: Good, context: InForceContext): Promise<InForce> {
  const { log } = context
  const against = await context.faultsOf(first.policies)
  if (against.length > 0) throw new Refusal(...against)
  for (const line of await missingFeeds(first, context)) log.error(line)
  let set = await make(first, null, context)
  let files = first.files
  let faults: readonly string[] = []
  let watch: Watch | null = null
  let busy: Promise<void> = Promise.resolve()

  const reload = async (): Promise<void> => {
    const { compileAs } = context
    const lastGood = set.policies.certificates
    const loaded = await loadPolicies(context.file, context.environment, { lastGood, compileAs })
    files = loaded.files
    watch?.set(files)
    try {
      if (!loaded.ok) throw new Refusal(...loaded.faults)
      const against = await context.faultsOf(loaded.policies)
      if (against.length > 0) throw new Refusal(...against)
      const missing = await missingFeeds(loaded, context)
      if (missing.length > 0) throw new Refusal(...missing)
      const next = await make(loaded, set, context)
      tellOfCertificates(set.policies, next.policies, context)
      warnOfRestart(set.policies, next.policies, log)
      set = next
      faults = []
      context.changed(set)
      announce(set, files, context)
    } catch (error) {
      faults = error instanceof Refusal ? error.lines : [error instanceof Error ? error.message : String(error)]
      for (const fault of faults) log.error(`policies refused, the last good set stays: ${fault}`)
      context.emit({ stream: 'admin', action: 'policy-rejected', faults: [...faults] })
      throw error
    }
  }
  /** One at a time: a reload that is asked for during another one sees what is on disk after it. */
  const queued = () => {
    const next = busy.then(reload)
    busy = next.catch(() => undefined)
    return next
  }

  for (const warning of first.warnings) log.warn(warning)
  announce(set, files, context)
  for (const certificate of allOf(set.policies)) tellCertificate(certificate, context)
  return {
    current: () => set,
    faults: () => faults,
    reload: queued,
    watch() {
      watch ??= watchFiles(files, (paths) => {
        if (set.policies.postern.reload !== 'watch') return
        log.info(`changed on disk: ${paths.join(', ')}`)
        queued().catch(() => undefined)
      })
    },
    stop: () => watch?.stop(),
  }
}

/** A feed that never had a list would shut everybody out: at a start that is said, at a reload it is a fault. */
async function missingFeeds({ policies }: Good, context: InForceContext): Promise<string[]> {
  const missing = await context.prepare(policies)
  return missing.map(({ feed: { name, at }, reason }) => {
    const means = 'as long as it has no list, everybody is refused; mend it, or write `on_error: allow`'
    return `${at.file}:${at.line}:1: the feed ${name} has none: ${reason}; ${means}`
  })
}

/** Needs what was read, and the set in force, if any. */
async function make(loaded: Good, before: PolicySet | null, { log, databases }: InForceContext): Promise<PolicySet> {
  const { policies } = loaded
  const hosts = before?.policies.postern.backends.flatMap(({ addresses }) => addresses.map(({ host }) => host))
  const resolved = await resolveBackends(
    policies,
    async (host) => (await lookup(host, { all: true })).map((one) => one.address),
    new Set(hosts),
  )
  if (resolved.faults.length > 0) throw new Refusal(...resolved.faults)
  for (const warning of resolved.warnings) log.warn(warning)
  const compiled = compilePolicies(policies, (before?.snapshot.generation ?? 0) + 1)
  const listeners = await settleListeners(compiled.listeners, before?.snapshot.listeners ?? [], (text) => {
    log.warn(text)
  }).catch((error: unknown) => {
    throw new Refusal(error instanceof Error ? error.message : String(error))
  })
  // Last, as it puts them in force: nothing behind it can fail.
  await databases.use(policies.geofence?.databases ?? [], (feed, message) =>
    policies.tell('geofence.yaml', [feed], message),
  )
  return { policies, login: loginPolicyOf(policies), snapshot: { ...compiled, listeners }, loadedAt: Date.now() }
}

/** Gives what the judgement of logins goes by. */
export function loginPolicyOf({ login, postern, roster, rules, methodsAt }: Policies): LoginPolicy {
  const { second_factor, users, totp, trusted_device, failures } = login
  return {
    users: { default_domain: users.default_domain, strip_prefix: users.strip_prefix, roster },
    second_factor: {
      ...second_factor,
      by: methodsAt,
      not_required_from: (ip) => {
        const address = parseAddress(ip)
        return address !== null && second_factor.not_required_from.some((range) => contains(range, address))
      },
    },
    totp,
    trusted_device,
    failures,
    exceptions: login.exceptions.map(({ users: patterns, countries, until }) => ({
      users: patterns.map((pattern) => plainPattern(pattern, users)),
      countries,
      until: endOfDay(until),
    })),
    asking: postern.listeners.filter((one) => one.client_certificates === 'request').map(({ name }) => name),
    rules,
    backends: postern.backends,
  }
}

function announce(set: PolicySet, files: readonly PolicyFile[], { emit, log }: InForceContext): void {
  const hashes = files
    .filter(({ kind }) => kind !== 'key' && kind !== 'database')
    .map(({ path, sha256 }) => [path, sha256 ?? ''] as const)
  emit({ stream: 'admin', action: 'policy-loaded', files: Object.fromEntries(hashes) })
  log.info({ generation: set.snapshot.generation, files: files.length }, 'policies in force')
}

function tellOfCertificates(before: Policies, after: Policies, context: InForceContext): void {
  for (const { name, reason } of after.rejected) {
    context.log.error(reason)
    context.emit({ stream: 'admin', action: 'certificate-rejected', name, reason })
  }
  const known = new Set(allOf(before).map(({ fingerprint }) => fingerprint))
  for (const certificate of allOf(after)) if (!known.has(certificate.fingerprint)) tellCertificate(certificate, context)
}

type Loadable = Pick<Policies['certificates'][number], 'name' | 'notAfter' | 'fingerprint'>

/** The server's own, the client CA, and its revocation lists: of each file what runs out first. */
function allOf({ certificates, clientCa }: Policies): Loadable[] {
  const endings = clientCa?.endings.map(({ name, at, fingerprint }) => ({ name, notAfter: at, fingerprint }))
  return [...certificates, ...(endings ?? [])]
}

function tellCertificate(certificate: Loadable, { emit }: InForceContext): void {
  const { name, notAfter, fingerprint } = certificate
  emit({ stream: 'admin', action: 'certificate-loaded', name, notAfter: new Date(notAfter).toISOString(), fingerprint })
}

/** What is bound to the processes that run is taken up by the next start alone. */
function warnOfRestart(before: Policies, after: Policies, log: Log): void {
  const facts = ({ postern: { processes, state, audit, admin } }: Policies) => ({
    processes,
    'state.path': state.path,
    'audit.path': audit.path,
    'admin.listen': admin.listen,
  })
  const [old, now] = [facts(before), facts(after)]
  for (const key of Object.keys(now) as (keyof typeof now)[]) {
    if (JSON.stringify(old[key]) !== JSON.stringify(now[key]))
      log.warn(`${key} has changed: it takes effect at the next start`)
  }
}
