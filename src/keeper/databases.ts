/**
 * The databases of the geofence: compiled in a process of their own, held ready for all fronts, fetched again when that is
 * due. One that is damaged or cannot be had leaves the last good one in force.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { AuditEvent, ConnectionFacts } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import { parseAddress } from '../base/ip.ts'
import { DATABASE_FETCH_MS, DATABASE_FIRST_FETCH_MS, DATABASE_LOOK_MS, DATABASE_RETRY_MS } from '../base/gate-limits.ts'
import type { Log } from '../base/log.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { Refusal } from '../base/refusal.ts'
import { reveal } from '../base/secret.ts'
import type { CompiledDatabase } from '../compiler/mmdb.ts'
import { asnOf, countryOf } from '../gate/geo-table.ts'
import type { GateData } from '../gate/verdict.ts'
import type { DatabaseFeed, DatabasePlan } from '../policy/geofence.ts'
import { lookAt } from '../policy/read-file.ts'
import type { CompileDatabase } from './database-compiler.ts'
import { compileFile, fetchCopy, noteOf } from './database-copy.ts'

/** For the operator: times are ISO 8601, ages seconds. */
export type DatabaseState = { feed: DatabaseFeed; type: string; built: string; age: number; fault: string | null }

export type Databases = {
  /**
   * Puts the databases of a policy set in force, all of them or none. Throws Refusal, its lines made by `tell`, when one
   * cannot be had.
   */
  use(plans: readonly DatabasePlan[], tell: (feed: DatabaseFeed, message: string) => string): Promise<void>
  tables(): Pick<GateData, 'country' | 'asn'>
  /** Where an address is, as far as that is known. */
  where(ip: string): Pick<ConnectionFacts, 'country' | 'asn'>
  /** The country of an address, or null where it is not known. Throws when no database of countries is in force. */
  country(ip: string): string | null
  states(): DatabaseState[]
  /** Seconds since each was built, by feed. */
  ages(): Record<string, number>
  /** Looks whether one is to be fetched again; also called by its own timer. */
  look(): Promise<void>
  stop(): void
}

export type DatabasesContext = {
  /** Where copies are kept; made when it is needed. */
  folder: string
  compile: CompileDatabase
  clock: Clock
  log: Log
  emit(event: AuditEvent): void
  /** The tables are others than before. */
  changed(): void
}

type Held = {
  plan: DatabasePlan
  /** Which database this is: its path and the signature of the file, or its address. */
  key: string
  database: CompiledDatabase
  /** When the next fetch is due, ms since 1970; Infinity for a file. */
  due: number
  fault: string | null
  warned: boolean
}

/** Gives a keeper of no databases yet. */
export function createDatabases(context: DatabasesContext): Databases {
  let held: Held[] = []
  let busy = false
  const tables = () => tablesOf(held)
  const look = async () => {
    if (busy) return
    busy = true
    try {
      for (const one of held) await renew(context, one, () => held.includes(one))
      for (const one of held) warnOfAge(context, one)
    } finally {
      busy = false
    }
  }
  const timer = setInterval(() => void look(), DATABASE_LOOK_MS).unref()
  return {
    async use(plans, tell) {
      const next: Held[] = []
      for (const plan of plans) {
        const key = await keyOf(plan)
        const same = held.find((one) => one.plan.feed === plan.feed && one.key === key)
        const got = same === undefined ? await open(context, plan, key) : parsed(same)
        if (!got.ok) throw new Refusal(tell(plan.feed, got.fault))
        next.push(got.value)
      }
      const before = held
      held = next
      // The same objects go on, as a fetch may be under way for one of them; only what is wanted of it may be new.
      for (const [i, plan] of plans.entries()) Object.assign(held[i] ?? {}, { plan })
      for (const one of held) if (!before.some(({ database }) => database === one.database)) tellOfNew(context, one)
      for (const one of held) warnOfAge(context, one)
      if (isOther(tablesOf(before), tables())) context.changed()
    },
    tables,
    where(ip) {
      const address = parseAddress(ip)
      if (address === null) return {}
      const { country, asn } = tables()
      const [code, number] = [countryOf(country, address), asnOf(asn, address)]
      return { ...(code !== null && { country: code }), ...(number !== null && { asn: number }) }
    },
    country(ip) {
      const { country } = tables()
      if (country === null) throw new Error('no database of countries is in force')
      const address = parseAddress(ip)
      return address === null ? null : countryOf(country, address)
    },
    states: () => held.map((one) => stateOf(one, context.clock.now())),
    ages: () => Object.fromEntries(held.map((one) => [one.plan.feed, stateOf(one, context.clock.now()).age])),
    look,
    stop() {
      clearInterval(timer)
    },
  }
}

function tablesOf(held: readonly Held[]): Pick<GateData, 'country' | 'asn'> {
  const of = (feed: DatabaseFeed) => held.find(({ plan }) => plan.feed === feed)?.database.table ?? null
  return { country: of('country_database'), asn: of('asn_database') }
}

function isOther(before: ReturnType<typeof tablesOf>, after: ReturnType<typeof tablesOf>): boolean {
  return before.country !== after.country || before.asn !== after.asn
}

async function keyOf({ source }: DatabasePlan): Promise<string> {
  return source.from === 'url' ? addressKey(source) : `${source.path} ${await lookAt(source.path)}`
}

function addressKey({ url }: Extract<DatabasePlan['source'], { from: 'url' }>): string {
  return createHash('sha256').update(reveal(url)).digest('hex').slice(0, 16)
}

/** Below the state folder. */
export const DATABASES_FOLDER = 'databases'

/** Gives where the copy of a fetched database lies. The address may hold a key: its hash names the file. */
export function copyOf(folder: string, { feed, source }: DatabasePlan): string {
  if (source.from !== 'url') throw new Error('a file has no copy')
  return join(folder, `${feed}-${addressKey(source)}.mmdb`)
}

/** A database that is not held yet: from its file, from the copy of an earlier fetch, or fetched now. */
async function open(context: DatabasesContext, plan: DatabasePlan, key: string): Promise<Parsed<Held>> {
  const { source, kind } = plan
  const hold = (database: CompiledDatabase, due: number): Parsed<Held> =>
    parsed({ plan, key, database, due, fault: null, warned: false })
  if (source.from === 'file') {
    const compiled = await compileFile(context.compile, source.path, kind)
    return compiled.ok ? hold(compiled.value, Infinity) : compiled
  }
  const copy = copyOf(context.folder, plan)
  const note = await noteOf(copy)
  const kept = note === null ? null : await compileFile(context.compile, copy, kind)
  if (note !== null && kept?.ok === true) return hold(kept.value, note.fetchedAt + source.refresh)
  const deadlineMs = DATABASE_FIRST_FETCH_MS
  const fetched = await fetchCopy({ ...context, copy, kind, url: source.url, note: null, deadlineMs })
  if (!fetched.ok) return fetched
  if (fetched.value === 'unchanged') return faulty('could not be fetched: the server says that it is unchanged')
  return hold(fetched.value, context.clock.now() + source.refresh)
}

async function renew(context: DatabasesContext, one: Held, isHeld: () => boolean): Promise<void> {
  const { source, feed, kind } = one.plan
  if (source.from === 'file' || context.clock.now() < one.due) return
  const copy = copyOf(context.folder, one.plan)
  const note = await noteOf(copy)
  const fetched = await fetchCopy({ ...context, copy, kind, url: source.url, note, deadlineMs: DATABASE_FETCH_MS })
  if (!isHeld()) return
  if (!fetched.ok) {
    one.fault = fetched.fault
    one.due = context.clock.now() + Math.min(source.refresh, DATABASE_RETRY_MS)
    context.log.error(`${feed}: ${fetched.fault}; the last good one goes on`)
    context.emit({ stream: 'admin', action: 'feed-failed', feed, reason: fetched.fault })
    return
  }
  one.fault = null
  one.due = context.clock.now() + source.refresh
  if (fetched.value === 'unchanged') return
  one.database = fetched.value
  one.warned = false
  tellOfNew(context, one)
  context.changed()
}

function tellOfNew(
  { emit, log }: DatabasesContext,
  { plan: { feed }, database: { ranges, type, builtAt } }: Held,
): void {
  log.info(`${feed}: ${type}, built ${new Date(builtAt).toISOString().slice(0, 10)}, ${ranges} ranges`)
  emit({ stream: 'admin', action: 'feed-updated', feed, entries: ranges })
}

/** Once for each database: GeoLite2 may not even be used for long after its successor is out. */
function warnOfAge({ clock, log }: DatabasesContext, one: Held): void {
  const { plan, database } = one
  if (one.warned || clock.now() - database.builtAt <= plan.maxAge) return
  one.warned = true
  log.warn(
    `${plan.feed} was built ${new Date(database.builtAt).toISOString().slice(0, 10)}: older than max_age; get a newer one`,
  )
}

function stateOf({ plan, database, fault }: Held, now: number): DatabaseState {
  const age = Math.max(0, Math.round((now - database.builtAt) / 1_000))
  return { feed: plan.feed, type: database.type, built: new Date(database.builtAt).toISOString(), age, fault }
}
