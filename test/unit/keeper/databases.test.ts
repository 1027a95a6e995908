import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { DATABASE_RETRY_MS } from '../../../src/base/gate-limits.ts'
import { faulty, parsed } from '../../../src/base/parsed.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { DatabaseAnswer, DatabaseQuestion } from '../../../src/compiler/database-process.ts'
import { compileDatabase } from '../../../src/compiler/mmdb.ts'
import type { GateData } from '../../../src/gate/verdict.ts'
import { createDatabases, type Databases } from '../../../src/keeper/databases.ts'
import type { DatabasePlan } from '../../../src/policy/geofence.ts'
import { mmdb } from '../../support/mmdb.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-31T00:00:00Z')

let folder: string
let now: number
let events: AuditEvent[]
let logged: string[]
/** What the fronts would be sent, at each change. */
let sent: Pick<GateData, 'country' | 'asn'>[]
let questions: DatabaseQuestion[]
let served: (question: DatabaseQuestion) => Buffer | 'unchanged' | { fault: string }
let databases: Databases

const of = (code: string, built = NOW) => mmdb([['192.0.2.0/24', { country_code: code }]], { built: built / 1_000 })
const say = (text: string) => logged.push(text)

function start(): Databases {
  return createDatabases({
    folder: join(folder, 'databases'),
    // As the process of the compiler does it, without the process.
    compile: async (question, file): Promise<DatabaseAnswer> => {
      questions.push(question)
      const { kind, from } = question
      const bytes = from.at === 'file' ? readFileSync(file.fd) : served(question)
      if (bytes === 'unchanged') return parsed({ got: 'unchanged' })
      if (!Buffer.isBuffer(bytes)) return faulty(bytes.fault)
      const compiled = compileDatabase(bytes, kind)
      if (!compiled.ok) return compiled
      if (from.at === 'url') await file.write(bytes)
      return parsed({ got: 'database', ...compiled.value, etag: '"1"', lastModified: null })
    },
    clock: { now: () => now, monotonic: () => now },
    log: { info: say, warn: say, error: say } as unknown as Parameters<typeof createDatabases>[0]['log'],
    emit: (event) => events.push(event),
    changed: () => sent.push(databases.tables()),
  })
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'databases-'))
  now = NOW
  events = []
  logged = []
  sent = []
  questions = []
  served = () => of('DE')
  databases = start()
})
afterEach(() => {
  databases.stop()
  rmSync(folder, { recursive: true, force: true })
})

const pathOf = (name: string, bytes: Buffer) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}
const file = (path: string, maxAge = 45 * DAY): DatabasePlan[] => [
  { feed: 'country_database', kind: 'country', source: { from: 'file', path }, maxAge },
]
const url = (address = 'https://maps.example/?key=hunter2'): DatabasePlan[] => [
  {
    feed: 'country_database',
    kind: 'country',
    source: { from: 'url', url: new Secret(Buffer.from(address)), refresh: 7 * DAY },
    maxAge: 45 * DAY,
  },
]
const use = (plans: DatabasePlan[]) =>
  databases.use(plans, (feed, message) => `geofence.yaml:1:1: \`${feed}\` ${message}`)
const here = () => databases.where('192.0.2.1')
const said = () => events.splice(0).map((event) => `${event.action}${'reason' in event ? ` ${event.reason}` : ''}`)

describe('a file', () => {
  test('is put in force and sent to the fronts; with it, lines of the audit say where an address is', async () => {
    await use(file(pathOf('a.mmdb', of('DE'))))
    expect(here()).toEqual({ country: 'DE' })
    expect(databases.where('10.0.0.1')).toEqual({})
    expect(databases.where('no address')).toEqual({})
    expect(sent).toEqual([{ country: databases.tables().country, asn: null }])
    expect(events).toEqual([{ stream: 'admin', action: 'feed-updated', feed: 'country_database', entries: 4 }])
  })

  test('that has not changed is not compiled again', async () => {
    const plans = file(pathOf('a.mmdb', of('DE')))
    await use(plans)
    await use(plans)
    expect([questions.length, sent.length]).toEqual([1, 1])
  })

  test('that has changed takes the place of the old one', async () => {
    const plans = file(pathOf('a.mmdb', of('DE')))
    await use(plans)
    pathOf('a.mmdb', Buffer.concat([of('FR')]))
    // Another size shows where the clock of the file system is coarse.
    pathOf('a.mmdb', mmdb([['192.0.2.0/24', { country_code: 'FR' }], ['198.51.100.0/24', { country_code: 'FR' }]])) // prettier-ignore
    await use(plans)
    expect(here()).toEqual({ country: 'FR' })
  })

  test('that is cut short is refused with its place in the policy, and the last one stays', async () => {
    const plans = file(pathOf('a.mmdb', of('DE')))
    await use(plans)
    pathOf('a.mmdb', of('FR').subarray(0, -20))
    await expect(use(plans)).rejects.toThrow(/^geofence\.yaml:1:1: `country_database` is (damaged|cut short)/)
    expect(here()).toEqual({ country: 'DE' })
    await expect(use(file(join(folder, 'gone.mmdb')))).rejects.toThrow('`country_database` cannot be read (ENOENT)')
    expect(here()).toEqual({ country: 'DE' })
  })

  test('that is bad keeps all databases of the set as they were', async () => {
    await use(file(pathOf('a.mmdb', of('DE'))))
    const systems: DatabasePlan = { feed: 'asn_database', kind: 'asn', source: { from: 'file', path: pathOf('b.mmdb', of('DE')) }, maxAge: DAY } // prettier-ignore
    await expect(use([...file(pathOf('c.mmdb', of('FR'))), systems])).rejects.toThrow(
      '`asn_database` holds no AS numbers',
    )
    expect(here()).toEqual({ country: 'DE' })
  })

  test('that nobody wants any more is let go', async () => {
    await use(file(pathOf('a.mmdb', of('DE'))))
    await use([])
    expect([here(), sent.at(-1), databases.states()]).toEqual([{}, { country: null, asn: null }, []])
  })
})

describe('a database that is old', () => {
  test('is told of once, and its age shows', async () => {
    const plans = file(pathOf('a.mmdb', of('DE', NOW - 46 * DAY)))
    await use(plans)
    await use(plans)
    await databases.look()
    expect(logged.filter((line) => line.includes('max_age'))).toEqual([
      'country_database was built 2026-12-16: older than max_age; get a newer one',
    ])
    expect(databases.ages()).toEqual({ country_database: (46 * DAY) / 1_000 })
    expect(databases.states()[0]).toMatchObject({ built: '2026-12-16T00:00:00.000Z', fault: null })
  })

  test('becomes so while the server runs', async () => {
    await use(file(pathOf('a.mmdb', of('DE'))))
    now += 46 * DAY
    await databases.look()
    expect(logged.at(-1)).toContain('older than max_age')
  })
})

describe('a database that is fetched', () => {
  test('is kept on disk, private, and used after a restart without asking again', async () => {
    await use(url())
    expect(here()).toEqual({ country: 'DE' })
    databases.stop()
    databases = start()
    served = () => ({ fault: 'could not be fetched: the server is gone' })
    await use(url())
    expect(here()).toEqual({ country: 'DE' })
    const names = readdirSync(join(folder, 'databases')).join(' ')
    expect(names).toMatch(/^country_database-[0-9a-f]{16}\.mmdb country_database-[0-9a-f]{16}\.mmdb\.json$/)
  })

  test('is fetched again when that is due, and only then, with what the server said of the copy', async () => {
    await use(url())
    now += 7 * DAY - 1
    await databases.look()
    expect(questions).toHaveLength(1)
    now += 1
    served = () => of('FR')
    await databases.look()
    expect(questions.at(-1)?.from).toMatchObject({ at: 'url', etag: '"1"' })
    expect(here()).toEqual({ country: 'FR' })
    expect(sent).toHaveLength(2)
    expect(sent.at(-1)).toEqual({ country: databases.tables().country, asn: null })
  })

  test('stays when the server has nothing new, and is not asked for before the next time', async () => {
    await use(url())
    served = () => 'unchanged'
    now += 7 * DAY
    await databases.look()
    await databases.look()
    expect([questions.length, here(), said()]).toEqual([2, { country: 'DE' }, ['feed-updated']])
  })

  test('stays when the next one is bad or cannot be had: told, tried again within the hour', async () => {
    await use(url())
    said()
    now += 7 * DAY
    served = () => Buffer.from('<html>Sign in</html>')
    await databases.look()
    expect(said()).toEqual([expect.stringMatching(/^feed-failed is no MaxMind database/)])
    expect(databases.states()[0]?.fault).toMatch(/no MaxMind database/)
    expect(here()).toEqual({ country: 'DE' })
    now += DATABASE_RETRY_MS
    served = () => of('FR')
    await databases.look()
    expect([here(), databases.states()[0]?.fault, said()]).toEqual([{ country: 'FR' }, null, ['feed-updated']])
  })

  test('and was never had keeps the policies out of force', async () => {
    served = () => ({ fault: 'could not be fetched: the server answered 403' })
    await expect(use(url())).rejects.toThrow('`country_database` could not be fetched: the server answered 403')
    expect(readdirSync(join(folder, 'databases'))).toEqual([])
  })

  test('whose copy is damaged is fetched anew', async () => {
    await use(url())
    const [copy = ''] = readdirSync(join(folder, 'databases'))
    writeFileSync(join(folder, 'databases', copy), 'damaged')
    databases.stop()
    databases = start()
    served = () => of('FR')
    await use(url())
    expect(here()).toEqual({ country: 'FR' })
    expect(questions.at(-1)?.from).toMatchObject({ etag: null })
  })

  test('from another address is another one', async () => {
    await use(url())
    served = () => of('FR')
    await use(url('https://other.example/'))
    expect(here()).toEqual({ country: 'FR' })
    await use(url())
    expect(here()).toEqual({ country: 'DE' })
  })

  test('leaves no key in names, log or audit', async () => {
    await use(url())
    now += 7 * DAY
    served = () => ({ fault: 'could not be fetched: it failed: ENOTFOUND' })
    await databases.look()
    const all = [...logged, JSON.stringify(events), ...readdirSync(join(folder, 'databases'))].join(' ')
    expect(all).not.toMatch(/hunter2|maps\.example/)
  })
})
