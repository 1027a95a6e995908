/** A keeper's judgement with everything around it: a real store in a folder of its own, a clock that tests turn, an audit that is a list. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reveal, Secret } from '../../src/base/secret.ts'
import { codeOf, stepAt } from '../../src/factors/totp.ts'
import { createJudge, type Judge } from '../../src/keeper/judge.ts'
import { enrollUser, type Enrolment, type UsersContext } from '../../src/keeper/users.ts'
import { createKeyring, type Keyring } from '../../src/state/secrets.ts'
import { openStore } from '../../src/state/sqlite.ts'
import type { AuditEvent, CertificateFacts, LoginFailure } from '../../src/audit/events.ts'
import type { JudgeContext } from '../../src/keeper/desk.ts'
import type { BackendPolicy, LoginPolicy } from '../../src/keeper/login-policy.ts'
import type { AuthenticateAnswer, Outcome, SettleAnswer } from '../../src/keeper/messages.ts'
import { liveSessions, type LiveSessions } from '../../src/keeper/end-sessions.ts'
import type { Session } from '../../src/keeper/sessions.ts'
import type { Store } from '../../src/state/store.ts'

/** Every login waits for the disk, and worlds have thousands: in memory they take milliseconds. */
const FAST = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export const START = Date.UTC(2026, 0, 5, 8, 0, 0)
export const HOUR = 3_600_000
export const HOME = { ip: '192.0.2.10', client: 'thunderbird' }
/** Of the same network and with the same program: the same device to us. */
export const HOME_NEIGHBOUR = { ip: '192.0.2.99', client: 'thunderbird' }
export const HOME_OTHER_CLIENT = { ip: '192.0.2.10', client: 'phone' }
export const AWAY = { ip: '198.51.100.7', client: 'thunderbird' }
export const OFFICE = { ip: '203.0.113.5', client: 'outlook' }

/** `certificate`: what the client showed in TLS. */
export type Place = typeof HOME & { certificate?: CertificateFacts }

export function backend(change: Partial<BackendPolicy> = {}): BackendPolicy {
  return { name: 'old', domains: ['*'], username: '{user}', remember_refused: 900_000, max_sessions: 200, ...change }
}

/** The defaults of login.yaml. */
export const FAILURES: LoginPolicy['failures'] = {
  reply_after: 3000,
  per_user: { allow: { count: 10, per: HOUR }, lock: 900_000 },
  per_address: { allow: { count: 20, per: HOUR }, lock: 900_000 },
  per_network: { allow: { count: 100, per: HOUR }, lock: 900_000, ipv4: 24, ipv6: 56 },
  per_user_everywhere: { allow: { count: 50, per: 24 * HOUR } },
}

export function policyOf(change: { [K in keyof LoginPolicy]?: Partial<LoginPolicy[K]> } = {}): LoginPolicy {
  return {
    users: { default_domain: null, strip_prefix: [], roster: null, ...change.users },
    second_factor: {
      required_for: 'all',
      until: null,
      pending_for: 14 * 24 * HOUR,
      methods: ['totp'],
      not_required_from: () => false,
      ...change.second_factor,
    },
    totp: { separator: '', window: 1, ...change.totp },
    trusted_device: {
      for: 12 * HOUR,
      idle: null,
      same_network: { ipv4: 24, ipv6: 48 },
      same_client: true,
      accept: 'repeated',
      ...change.trusted_device,
    },
    failures: { ...FAILURES, ...change.failures },
    exceptions: (change.exceptions as LoginPolicy['exceptions'] | undefined) ?? [],
    asking: (change.asking as string[] | undefined) ?? [],
    rules: (change.rules as LoginPolicy['rules'] | undefined) ?? [],
    backends: (change.backends as BackendPolicy[] | undefined) ?? [backend()],
  }
}

export type World = {
  folder: string
  keys: Keyring
  judge: Judge
  store: Store
  events: AuditEvent[]
  opened: string[]
  /** What is open, as commands that end sessions see it; `killed` are those that a front was told to end. */
  live: LiveSessions
  killed: string[]
  breaches: string[]
  broken: unknown[]
  /** Password checks that found no place. */
  skipped: number
  /** Backends that health checks find down. */
  down: Set<string>
  policy: LoginPolicy
  users: UsersContext
  /** The code of this moment, or of so many steps away. */
  code(user: string, stepsAway?: number): string
  pass(ms: number): void
  now(): number
  enroll(user: string): Promise<Enrolment>
  /** Closes store and judge and opens them anew on the same files, as a restart does. */
  restart(): void
  /** Each call is a connection of its own, unless a session is named. */
  authenticate(user: string, secret: string | Buffer, from: Place, session?: string): Promise<Tried>
  settle(tried: Tried, at: Outcome['at']): Promise<SettleAnswer>
  /** Both halves; the old server takes this password alone. Gives `welcome`, `busy`, `trouble`, or the refusal's reason. */
  login(user: string, secret: string, from: Place, password?: string): Promise<string>
  reasons(): LoginFailure[]
  /** What the old server was asked, in order: `user/password`. */
  asked: string[]
  end(): void
}

/** argon2id takes 50 ms: what depends on it being slow has a test of its own. */
const quickHasher: JudgeContext['hasher'] = {
  hash: (password) => Promise.resolve(new Secret(createHash('sha256').update(reveal(password)).digest())),
  verify: (password, hashed) =>
    Promise.resolve(createHash('sha256').update(reveal(password)).digest().equals(reveal(hashed))),
}

export type Tried = { session: string; answer: AuthenticateAnswer }

/** Sixteen bits of a refused string rest on disk: among fifty strings two share them in one run of fifty. Here none do. */
function withoutChance(keys: Keyring): Keyring {
  const seen = new Map<string, number>()
  return {
    ...keys,
    mac(purpose, user, ...parts) {
      const mac = keys.mac(purpose, user, ...parts)
      if (purpose !== 'refusal') return mac
      const text = mac.toString('hex')
      const nth = seen.get(text) ?? seen.size
      seen.set(text, nth)
      mac.writeUInt16BE(nth & 0xffff)
      return mac
    },
  }
}

/** Needs changes to the policy, and what stands in for parts of the context. */
export function createWorld(
  policy: LoginPolicy = policyOf(),
  change: (context: JudgeContext) => JudgeContext = (c) => c,
): World {
  const folder = mkdtempSync(join(FAST, 'postern-login-'))
  const keys = withoutChance(createKeyring(new Secret(Buffer.alloc(32, 7))))
  const seeds = new Map<string, Secret>()
  let now = START
  let monotonic = 0
  let sessions = 0
  const clock = { now: () => now, monotonic: () => monotonic }
  const table: Session[] = []
  const addresses = new Map<string, string>()

  const start = (): { store: Store; judge: Judge } => {
    const store = openStore(folder, keys, now)
    const context: JudgeContext = {
      store,
      keys,
      clock,
      policy: () => world.policy,
      emit: (event) => world.events.push(event),
      durable: () => Promise.resolve(),
      hasher: quickHasher,
      skipped: () => void (world.skipped += 1),
      opened: (session, login) => {
        world.opened.push(session)
        const facts = { session, listener: 'outside', ip: addresses.get(session) ?? '', port: 40_000 }
        const rest = { front: 1, client: null, killed: false, told: true, askedAt: 0, leaving: false }
        table.push({ id: session, facts, login: { ...login, since: now }, ...rest })
      },
      fenced: () => null,
      country: () => null,
      reachable: (name) => Promise.resolve(!world.down.has(name)),
      broken: (error) => world.broken.push(error),
      breach: (_, what) => world.breaches.push(what),
    }
    return { store, judge: createJudge(change(context)) }
  }

  const world: World = {
    folder,
    keys,
    events: [],
    opened: [],
    killed: [],
    live: liveSessions({
      sessions: { active: () => table },
      emit: (event) => world.events.push(event),
      void: (user, device) => {
        world.judge.void(user, device)
      },
      kill: ({ id }) => world.killed.push(id),
      countryOf: () => 'DE',
    }),
    breaches: [],
    broken: [],
    skipped: 0,
    down: new Set(),
    asked: [],
    policy,
    ...({} as { store: Store; judge: Judge; users: UsersContext }),
    code(user, stepsAway = 0) {
      const seed = seeds.get(user)
      if (seed === undefined) throw new Error(`${user} was not enrolled here`)
      return codeOf(seed, stepAt(now) + stepsAway).toString()
    },
    pass(ms) {
      now += ms
      monotonic += ms
    },
    now: () => now,
    async enroll(user) {
      const enrolment = await enrollUser(world.users, user, { replace: true })
      const sealed = (await world.store.dossier(enrolment.user)).user?.sealedSeed
      if (sealed) seeds.set(user, keys.open('seed', enrolment.user, sealed))
      return enrolment
    },
    restart() {
      world.store.close()
      Object.assign(world, start())
      world.users.store = world.store
    },
    async authenticate(user, secret, { ip, client, certificate }, session = `s${++sessions}`) {
      addresses.set(session, ip)
      const tls = certificate && { version: 'TLSv1.3', cipher: '', ja4: '', resumed: false, certificate }
      const connection = { session, listener: 'outside', ip, port: 40_000, ...(tls && { tls }) }
      const bytes = { user: Buffer.from(user), secret: Buffer.from(secret) }
      const answer = await world.judge.authenticate({ session, connection, client, ...bytes })
      if (answer.say === 'proceed') world.asked.push(`${answer.username.toString()}/${answer.password.toString()}`)
      return { session, answer }
    },
    settle({ session, answer }, at) {
      if (answer.say !== 'proceed') throw new Error(`nothing to settle after ${answer.say}`)
      const outcome: Outcome = at === 'proven' || at === 'refuted' ? { at, tookMs: 5 } : { at, detail: '' }
      return world.judge.settle(session, answer.token, outcome)
    },
    async login(user, secret, from, password = 'secret') {
      const before = world.reasons().length
      const tried = await world.authenticate(user, secret, from)
      if (tried.answer.say === 'proceed') {
        const right = tried.answer.password.toString() === password
        const settled = await world.settle(tried, right ? 'proven' : 'refuted')
        if (settled.say !== 'refuse') return settled.say
      }
      return tried.answer.say === 'trouble' ? 'trouble' : world.reasons().slice(before).join(' ')
    },
    reasons: () => world.events.flatMap((event) => (event.action === 'login-failed' ? [event.reason] : [])),
    end() {
      world.store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  Object.assign(world, start())
  world.users = {
    store: world.store,
    keys,
    clock,
    rules: () => world.policy.users,
    trust: () => world.policy.trusted_device,
    sessions: world.live,
    emit: (event) => world.events.push(event),
  }
  return world
}

/** The factors of the logins that succeeded, in order. */
export function factorsOf(world: World): string[] {
  return world.events.flatMap((event) => (event.action === 'login-succeeded' ? [event.factor] : []))
}
