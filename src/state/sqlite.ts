/** The store in one SQLite file. It blocks the loop while it works, so that each login costs one read and few writes. */
import { timingSafeEqual } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { STORE_BUSY_MS } from '../base/limits.ts'
import { inPages } from '../base/turns.ts'
import { StateFault } from './fault.ts'
import { privateFile, privateFolder } from './files.ts'
import { createWriter, type Writer } from './group-commit.ts'
import { blob, text } from './rows.ts'
import { prepareAppPasswords } from './sqlite-app-passwords.ts'
import { prepareClaims } from './sqlite-claims.ts'
import { prepareFailures } from './sqlite-failures.ts'
import { asStateFault } from './sqlite-fault.ts'
import { prepareHeads } from './sqlite-heads.ts'
import { prepareLogins } from './sqlite-logins.ts'
import { preparePasses } from './sqlite-passes.ts'
import { preparePasswordHashes } from './sqlite-password-hashes.ts'
import { preparePeople } from './sqlite-people.ts'
import { migrate } from './sqlite-schema.ts'
import { prepareTravels } from './sqlite-travel.ts'
import { prepareUsers, type Users } from './sqlite-users.ts'
import type { Keyring } from './secrets.ts'
import type { Store, UserState } from './store.ts'

const fileOf = (stateFolder: string) => join(stateFolder, 'postern.sqlite')

/** Tells whether a store is there: then a missing master key must not be made anew. */
export function storeExists(stateFolder: string): boolean {
  return existsSync(fileOf(stateFolder))
}

/**
 * Opens the store, making or migrating it. Needs the state folder (whose instance lock the caller holds), the keys, and
 * the present time for the migration table. Throws {@link StateFault}: `key` when it was made with another master key,
 * `version`, `corrupt`, `busy`, `disk`.
 */
export function openStore(stateFolder: string, keys: Keyring, now: number): Store {
  privateFolder(stateFolder)
  privateFile(fileOf(stateFolder))
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(fileOf(stateFolder), { timeout: STORE_BUSY_MS })
    // FULL: a claim must outlive a power cut. secure_delete: what is removed is overwritten, not only forgotten. temp_store: what takes
    // back one job of many stays in memory, and leaves nothing of a user in files that nobody looks after.
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY',
    )
    proveSound(db)
    migrate(db, now)
    proveKey(db, keys)
    return assemble(db)
  } catch (error) {
    db?.close()
    throw asStateFault(error)
  }
}

function proveSound(db: DatabaseSync): void {
  const row = db.prepare('PRAGMA quick_check(1)').get() ?? {}
  if (text(row, 'quick_check') !== 'ok') throw new StateFault('corrupt', 'the store is damaged: put back a copy')
}

/** A store made with another key would refuse everybody one by one; better to say so at once. */
function proveKey(db: DatabaseSync, keys: Keyring): void {
  const ours = keys.mac('check', '')
  const row = db.prepare(`SELECT value FROM facts WHERE name = 'key-check'`).get()
  if (row === undefined) {
    db.prepare(`INSERT INTO facts (name, value) VALUES ('key-check', ?)`).run(ours)
    return
  }
  const theirs = blob(row, 'value')
  if (theirs.length === ours.length && timingSafeEqual(theirs, ours)) return
  throw new StateFault('key', 'the store was made with another master key: put back the key it was made with')
}

/** How the parts of the store read and write. `writeOver`: old pages of the log still hold the rows that were removed. */
type Access = { db: DatabaseSync; writer: Writer; read<T>(job: () => T): Promise<T>; writeOver(): Promise<void> }

function assemble(db: DatabaseSync): Store {
  const writer = createWriter(db)
  // Async, so that whatever SQLite throws becomes a rejection, as it would from a store on another machine.
  const read = async <T>(job: () => T): Promise<T> => {
    try {
      if (!db.isOpen) throw new StateFault('closed', 'the store is closed')
      return job()
    } catch (error) {
      throw asStateFault(error)
    }
  }
  const writeOver = () =>
    read(() => {
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    })
  const access = { db, writer, read, writeOver }
  return {
    ...loginsAndUsers(access),
    ...gateAndGuessing(access),
    ...audit(access),
    close() {
      if (!db.isOpen) return
      writer.close()
      db.close()
    },
  }
}

/** Users, their factors and their logins. */
function loginsAndUsers({ db, writer, read, writeOver }: Access) {
  const claims = prepareClaims(db)
  const appPasswords = prepareAppPasswords(db)
  const hashes = preparePasswordHashes(db)
  const logins = prepareLogins(db, claims, appPasswords)
  const users = prepareUsers(db, appPasswords)
  const people = preparePeople(db)
  return {
    dossier: (name, { codes } = { codes: true }) =>
      read(() => {
        const { user, hasTrust, hasAppPasswords } = users.find(name)
        return {
          user,
          trusted: hasTrust ? logins.trusted(name) : [],
          recovery: codes ? users.recovery(name) : [],
          appPasswords: hasAppPasswords ? appPasswords.all(name) : [],
          temp: codes ? people.tempCode(name) : null,
        }
      }),
    appPasswords: (name) => read(() => appPasswords.all(name)),
    claim: (claim, at) => writer.write(() => claims.claim(claim, at)),
    burn: (claim) => writer.write(() => claims.burn(claim)),
    free: (claim) => writer.write(() => claims.free(claim)),
    prove: (proof, at) => writer.write(() => logins.prove(proof, at)),
    enroll: (enrolment) => writer.write(() => users.enroll(enrolment)),
    enrollMany: (enrolments) => writer.write(() => users.enrollMany(enrolments)),
    remove: (name) => writer.write(() => users.remove(name)).finally(writeOver),
    freeze: (name, frozen) => writer.write(() => people.freeze(name, frozen)),
    frozen: (name) => read(() => people.frozen(name)),
    endDevices: (name, device, at) => writer.write(() => people.endDevices(name, device, at)),
    giveTempCode: (code) => writer.write(() => people.giveTempCode(code)),
    users: () => inPages((last, most) => read(() => users.page(last?.name ?? '', most))),
    known: () => inPages((last, most) => read(() => users.namesOf(last?.name ?? '', most))),
    count: () => countUsers((after, most) => read(() => users.countOf(after, most))),
    provenSince: (at) => read(() => logins.provenSince(at)),
    logins: (name) => read(() => logins.last(name)),
    addAppPassword: (user, row, most) => writer.write(() => appPasswords.add(user, row, most)),
    revokeAppPassword: (user, name) => writer.write(() => appPasswords.revoke(user, name)).finally(writeOver),
    staleAppPassword: (user, by, at) => writer.write(() => appPasswords.markStale(user, by, at)),
    keepPasswordHash: (user, enrolment, sealed) => writer.write(() => hashes.keep(user, enrolment, sealed)),
    passwordHash: (user) => read(() => hashes.find(user)),
    exposure: (user, network) => read(() => hashes.exposure(user, network)),
  } satisfies Partial<Store>
}

/** So many at a time: a few milliseconds. */
const COUNTED = 5_000

async function countUsers(
  countOf: (after: string, most: number) => Promise<ReturnType<Users['countOf']>>,
): Promise<Record<UserState, number>> {
  const sums = { none: 0, pending: 0, enrolled: 0, frozen: 0 }
  for (let after = '', counted = COUNTED; counted === COUNTED;) {
    const { states, last } = await countOf(after, COUNTED)
    for (const [state, number] of states) sums[state] += number
    counted = states.reduce((sum, [, number]) => sum + number, 0)
    after = last
    await nextTurn()
  }
  return sums
}

/** What opens the gate for a while, and what guessing has locked. */
function gateAndGuessing({ db, writer, read }: Access) {
  const passes = preparePasses(db)
  const travels = prepareTravels(db)
  const failures = prepareFailures(db)
  return {
    passes: () => read(passes.all),
    givePass: (pass, now, most) => writer.write(() => passes.give(pass, now, most)),
    endPass: (network) => writer.write(() => passes.end(network)),
    travels: () => read(travels.all),
    putTravel: (travel, now, most) => writer.write(() => travels.put(travel, now, most)),
    endTravel: (user) => writer.write(() => travels.end(user)),
    standing: (question) => read(() => failures.standing(question)),
    fail: (tried) => writer.write(() => failures.fail(tried)),
    locks: (now) => read(() => failures.locks(now)),
    countLocks: (now) => read(() => failures.countLocks(now)),
    clearLocks: (what, now) => writer.write(() => failures.clear(what, now)),
    forgetRefused: (user) => writer.write(() => failures.forgetRefused(user)),
  } satisfies Partial<Store>
}

/** Where the audit stands, and whether the store can be written at all. */
function audit({ db, writer, read }: Access) {
  const heads = prepareHeads(db)
  const beat = db.prepare(
    `INSERT INTO facts (name, value) VALUES ('beat', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
  )
  return {
    tryWrite: (at) => writer.write(() => void beat.run(Buffer.from(String(at)))),
    heads: () => read(heads.all),
    keepHeads: (noted) => writer.write(() => heads.keep(noted)),
    keepAnchor: (anchor) => writer.write(() => heads.keepAnchor(anchor)),
  } satisfies Partial<Store>
}
