/** geofence.yaml: its schema, and what the gate and the keeper of databases get of it. */
import { z } from 'zod'
import { endOfDay } from '../base/day.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { Secret } from '../base/secret.ts'
import { builtinDatabase } from '../compiler/builtin.ts'
import type { CompiledGeofence } from '../gate/verdict.ts'
import { duration, leaf, list, path, section, text, word } from './leaf.ts'
import type { Opened, Reading } from './reading.ts'
import { countries, type Login, type SchemaContext } from './schema.ts'
import type { Remarks } from './sense.ts'

/** Where a database comes from. The address may hold a key. `refresh`: milliseconds. */
export type DatabaseSource = { from: 'file'; path: string } | { from: 'url'; url: Secret; refresh: number }
export type DatabaseFeed = 'country_database' | 'asn_database'
/** `maxAge`: milliseconds. */
export type DatabasePlan = { feed: DatabaseFeed; kind: 'country' | 'asn'; source: DatabaseSource; maxAge: number }

export type Geofence = { check: CompiledGeofence; databases: DatabasePlan[] }

const HELP = 'write builtin, the path of an .mmdb file, or { url: "https://…", refresh: 7d }'

const address = leaf('write an address such as "https://example.com/country.mmdb"', (value): Parsed<Secret> => {
  const url = URL.canParse(String(value)) ? new URL(String(value)) : null
  if (url === null) return faulty('is no address; write it like "https://example.com/country.mmdb"')
  return url.protocol === 'https:' ? parsed(new Secret(Buffer.from(url.href))) : faulty('must start with https://')
})
const fetched = section({ url: address, refresh: duration('1h', '365d').prefault('7d') })

/** A word or path, or a section: told apart by hand, so that a fault in a section has its own place and words. */
function database(folder: string, builtin: boolean) {
  return z.unknown().transform((value, context): DatabaseSource => {
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value)
    const result = isSection ? fetched.safeParse(value) : text(HELP, 4_096).safeParse(value)
    if (!result.success) {
      context.issues.push(...result.error.issues.map((issue) => ({ ...issue, input: value }) as z.core.$ZodRawIssue))
      return z.NEVER
    }
    if (typeof result.data !== 'string') return { from: 'url', ...result.data }
    if (builtin && result.data === 'builtin') return { from: 'file', path: builtinDatabase() }
    return { from: 'file', path: path(folder).parse(result.data) }
  })
}

const system = leaf('write AS numbers such as [64500]', (value): Parsed<number> => {
  const number = /^(?:AS)?(\d{1,10})$/.exec(String(value))?.[1]
  const fits = number !== undefined && Number(number) > 0 && Number(number) <= 0xffffffff
  return fits ? parsed(Number(number)) : faulty('is no AS number; write it like 64500 or AS64500')
})

/** Needs the context; gives the schema of geofence.yaml. */
export function geofenceSchema({ folder }: SchemaContext) {
  return section({
    mode: word('enforce', 'monitor').prefault('enforce'),
    country_database: database(folder, true).prefault('builtin'),
    asn_database: database(folder, false).nullable().prefault(null),
    countries: countries.prefault({}),
    asns: section({ deny: list(system, 'name AS numbers', 0, 10_000).prefault([]) }).prefault({}),
    unknown: word('allow', 'deny').prefault('allow'),
    max_age: duration('1d', '3650d').prefault('45d'),
  })
}

type Written = z.output<ReturnType<typeof geofenceSchema>>

/** Needs geofence.yaml as examined. */
export function geofenceSense({ asns, asn_database, countries: { allow, deny }, unknown }: Written): Remarks {
  const nobody = allow === undefined && (deny ?? []).length === 0 && asns.deny.length === 0 && unknown === 'allow'
  return {
    faults:
      asns.deny.length > 0 && asn_database === null
        ? [{ path: ['asns', 'deny'], message: 'needs `asn_database`: the builtin database knows countries alone' }]
        : [],
    warnings: nobody ? [{ path: [], message: 'denies nobody' }] : [],
  }
}

/** Needs geofence.yaml as read and as examined, and login.yaml for its exceptions. A database that is not there is a fault. */
export async function loadGeofence(
  reading: Reading,
  { file, name }: Opened,
  written: Written,
  login: Login | null,
): Promise<Geofence> {
  const line = (...at: (string | number)[]) => file.place(at).line
  const { allow, deny = [] } = written.countries
  const lines = <T>(values: readonly T[], ...at: string[]) =>
    new Map(values.map((value, i) => [value, line(...at, i)] as const).toReversed())
  const exceptions = login?.exceptions ?? []
  const check: CompiledGeofence = {
    mode: written.mode,
    file: 'geofence.yaml',
    deny: lines(deny, 'countries', 'deny'),
    asns: lines(written.asns.deny, 'asns', 'deny'),
    allow: allow === undefined ? null : { countries: new Set(allow), line: line('countries', 'allow') },
    unknown: { say: written.unknown, line: line('unknown') },
    travellers: exceptions.flatMap(({ countries: codes, until }) =>
      codes.map((country) => ({ country, until: endOfDay(until) })),
    ),
  }
  const databases = plansOf(written)
  for (const { feed, source } of databases) {
    const fault = source.from === 'file' ? await reading.reader.look(source.path, 'database') : null
    if (fault === null || source.from !== 'file') continue
    const message = `\`${feed}\`: ${reading.shown(source.path)} ${fault}; mend it, or take it out`
    reading.findings.faults.push({ file: name, ...file.place([feed]), message })
  }
  return { check, databases }
}

function plansOf({ country_database, asn_database, max_age: maxAge }: Written): DatabasePlan[] {
  const country: DatabasePlan = { feed: 'country_database', kind: 'country', source: country_database, maxAge }
  if (asn_database === null) return [country]
  return [country, { feed: 'asn_database', kind: 'asn', source: asn_database, maxAge }]
}
