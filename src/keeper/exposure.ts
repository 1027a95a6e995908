/**
 * `password-exposed`: somebody has the right password and no code. The last proven password is kept as argon2id, and asked
 * only about logins that were refused for their code. All of it happens after the answer, one at a time and with rests:
 * a flood of guesses is skipped and counted, and slows no login.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { networkOf, parseAddress } from '../base/ip.ts'
import {
  PASSWORD_CHECK_RESTS,
  PASSWORD_CHECKS_PER_NETWORK_MAX,
  PASSWORD_CHECKS_REMEMBERED_MAX,
  PASSWORD_CHECKS_WAITING_MAX,
  PASSWORD_EXPOSED_AGAIN_MS,
} from '../base/login-limits.ts'
import { reveal, Secret } from '../base/secret.ts'
import { readCandidate } from '../factors/candidate.ts'
import { StateFault } from '../state/fault.ts'
import type { AuditEvent, ConnectionFacts, Exposing } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { PasswordHasher } from '../factors/password-hash.ts'
import type { Keyring } from '../state/secrets.ts'
import type { Store } from '../state/store.ts'
import type { LoginPolicy } from './login-policy.ts'

/** What of a login says who tried, from where, and how it is read. */
type Tried = { user: string; connection: ConnectionFacts; policy: Pick<LoginPolicy, 'totp' | 'trusted_device'> }

export type Exposure = {
  /** A login with a fresh code was proven: its password is kept, unless it is the one that was kept last. */
  proven(user: string, enrolment: string | null, password: Secret): void
  /** A login was refused for its code. Copies what was typed; returns at once. */
  tried(login: Tried, reason: Exposing, secret: Buffer): void
  /** Resolves when nothing waits any more. For tests. */
  idle(): Promise<void>
}

type Context = {
  store: Pick<Store, 'passwordHash' | 'exposure' | 'keepPasswordHash'>
  keys: Keyring
  clock: Clock
  hasher: PasswordHasher
  emit(event: AuditEvent): void
  /** A password was not looked at, or not kept: too many wait. */
  skipped(): void
  broken(error: unknown): void
}
/** `network` is null for a password that was proven, which goes first: no guesser can have it pushed out. */
type Job = { network: string | null; run: () => Promise<void> }

/** Gives one with nothing to do. It lives as long as its keeper. */
export function createExposure(context: Context): Exposure {
  const pool = createPool(context)
  // A key of this process alone: what is remembered by it is no oracle to who has the store and the master key.
  const key = randomBytes(32)
  const markOf = (...parts: (string | Buffer)[]): string => {
    const hmac = createHmac('sha256', key)
    for (const part of parts) hmac.update(`${part.length} `).update(part)
    return hmac.digest('base64')
  }
  const hashed = remembered<string>()
  const wrong = remembered<true>()
  const told = remembered<number>()
  const { store, keys, clock, hasher, emit } = context

  async function keep(user: string, enrolment: string, password: Secret, mark: string): Promise<void> {
    const sealedHash = await store.passwordHash(user)
    const trace = traceOf(keys, user, enrolment, password)
    if (sealedHash === null || !isTraced(keys, user, sealedHash, trace)) {
      const hash = await hasher.hash(password)
      await store.keepPasswordHash(user, enrolment, sealKept(keys, user, { trace, hash }))
    }
    hashed.put(user, mark)
  }

  async function look({ user, connection, policy }: Tried, network: string, reason: Exposing, typed: Secret) {
    const place = `${user} ${network}`
    if (clock.now() - (told.get(place) ?? -Infinity) < PASSWORD_EXPOSED_AGAIN_MS) return
    const { sealedHash, known } = await store.exposure(user, network)
    if (sealedHash === null || known) return
    const { hash } = openKept(keys, user, sealedHash)
    for (const candidate of candidatesOf(reveal(typed), policy.totp.separator)) {
      // A program polls with the same wrong string for days: it is looked at once.
      const mark = markOf(user, sealedHash, candidate)
      if (wrong.get(mark) === true) continue
      if (await hasher.verify(new Secret(candidate), hash)) {
        told.put(place, clock.now())
        return emit({ stream: 'auth', action: 'password-exposed', connection, user, reason, network })
      }
      wrong.put(mark, true)
    }
  }

  return {
    proven(user, enrolment, password) {
      if (enrolment === null) return
      const mark = markOf(user, enrolment, reveal(password))
      if (hashed.get(user) === mark) return
      pool.add({ network: null, run: () => keep(user, enrolment, password, mark) })
    },
    tried(login, reason, secret) {
      const address = parseAddress(login.connection.ip)
      if (address === null) return
      const network = networkOf(address, login.policy.trusted_device.same_network)
      const typed = new Secret(Buffer.from(secret))
      pool.add({ network, run: () => look(login, network, reason, typed) })
    },
    idle: () => pool.idle(),
  }
}

/**
 * Of a password that was hashed, two octets of an HMAC are kept beside its hash: enough to see at its next login, after a restart too,
 * that it is still the same and need not be hashed once more, and useless to a thief: one in 65,536 of all passwords has the same two.
 */
type Kept = { trace: Buffer; hash: Secret }
const TRACE_LENGTH = 2
/** Before it. The first octet of hashes that were kept without a trace is 1. */
const TRACED = 2

/** Needs the enrolment under which the password was proven: under another one it is hashed anew. */
export function traceOf(keys: Keyring, user: string, enrolment: string, password: Secret): Buffer {
  return keys.mac('bare', user, enrolment, reveal(password)).subarray(0, TRACE_LENGTH)
}

/** One that does not open is as good as none: it is made anew. */
function isTraced(keys: Keyring, user: string, sealed: Buffer, trace: Buffer): boolean {
  try {
    return openKept(keys, user, sealed).trace.equals(trace)
  } catch {
    return false
  }
}

/** Gives a hash and its trace as the store keeps them. */
export function sealKept(keys: Keyring, user: string, { trace, hash }: Kept): Buffer {
  return keys.seal('password-hash', user, new Secret(Buffer.concat([Buffer.of(TRACED), trace, reveal(hash)])))
}

function openKept(keys: Keyring, user: string, sealed: Buffer): Kept {
  const kept = keys.open('password-hash', user, sealed)
  const bytes = reveal(kept)
  if (bytes[0] !== TRACED) return { trace: Buffer.alloc(0), hash: kept }
  return { trace: bytes.subarray(1, 1 + TRACE_LENGTH), hash: new Secret(bytes.subarray(1 + TRACE_LENGTH)) }
}

/**
 * All that was typed, and what stands before its code. Both: a password may itself end in six digits. Nothing of this goes
 * to the old server, so two readings give a guesser nothing.
 */
function candidatesOf(typed: Buffer, separator: string): Buffer[] {
  const candidate = readCandidate(typed, separator)
  return candidate.how === 'none' ? [typed] : [candidate.password, typed]
}

/** One job at a time; then a rest, so that the pool never takes more than its share of a core. */
function createPool({ clock, skipped, broken }: Context) {
  const waiting: Job[] = []
  let running: Promise<void> | null = null

  async function work(): Promise<void> {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const before = clock.monotonic()
      await job.run().catch((error: unknown) => {
        if (!(error instanceof StateFault && error.kind === 'closed')) broken(error)
      })
      await rest((clock.monotonic() - before) * PASSWORD_CHECK_RESTS)
    }
    running = null
  }

  function hasRoom(of: Job['network']): boolean {
    const same = waiting.filter(({ network }) => network === of).length
    return same < (of === null ? PASSWORD_CHECKS_WAITING_MAX : PASSWORD_CHECKS_PER_NETWORK_MAX)
  }

  return {
    add(job: Job): void {
      if (!hasRoom(job.network)) return skipped()
      const firstGuess = waiting.findIndex(({ network }) => network !== null)
      waiting.splice(job.network !== null || firstGuess < 0 ? waiting.length : firstGuess, 0, job)
      if (waiting.length > PASSWORD_CHECKS_WAITING_MAX) {
        waiting.pop()
        skipped()
      }
      // Behind the answer, which leaves in this turn of the loop.
      running ??= new Promise((resolve) => setImmediate(resolve)).then(work)
    },
    idle: async () => {
      while (running !== null) await running
    },
  }
}

/** The process may end meanwhile. */
function rest(ms: number): Promise<void> {
  return ms < 1 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** A table with a ceiling: the oldest gives way. */
function remembered<T>(): { get(name: string): T | undefined; put(name: string, value: T): void } {
  const table = new Map<string, T>()
  return {
    get: (name) => table.get(name),
    put(name, value) {
      table.delete(name)
      table.set(name, value)
      const [oldest] = table.keys()
      if (table.size > PASSWORD_CHECKS_REMEMBERED_MAX && oldest !== undefined) table.delete(oldest)
    },
  }
}
