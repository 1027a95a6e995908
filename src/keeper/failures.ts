/**
 * What failed before, and what follows for the next attempt: strings once refused stay refused, counts, locks.
 *
 * Who goes on whatever is locked: a trusted device with its own string, which nobody can guess with. Who goes on when an
 * address, a network or the user everywhere is locked: the user from a network where he was proven within 30 days. What holds
 * in every network, also a known one: `per_user`, the lock of one user in one network. All that is refused here is refused
 * unjudged: nothing is learnt from it, and the old server does not hear of it.
 */
import { networkOf, parseAddress } from '../base/ip.ts'
import { STAKE_WAIT_MS, STAKES_MAX } from '../base/login-limits.ts'
import { createExact, type Exact } from './exact.ts'
import { demandOf, type Finding, type Typed, type Marks } from './second-factor.ts'
import { createStakes, type Held, type Stakes } from './stakes.ts'
import { createWarnings, type Warnings } from './warnings.ts'
import type { AuditEvent, LoginFailure } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Keyring } from '../state/secrets.ts'
import type { Allowance, Dossier, MarkPool, Standing, Store } from '../state/store.ts'
import type { LoginPolicy } from './login-policy.ts'

/**
 * `counts`: it is a failure, and the string is refused from now on. `here`: the same, but the string is refused to this device
 * alone, as it may be another's good one. `never`: nobody can guess with it, or nobody judged it.
 */
type Weight = 'counts' | 'here' | 'never'

const WEIGHTS: Record<LoginFailure, Weight> = {
  'unknown-user': 'counts',
  'code-missing': 'counts',
  'code-wrong': 'counts',
  'code-clock-skew': 'counts',
  'password-wrong': 'counts',
  'code-replayed': 'here',
  // The very string was proven from this device once: who has it guesses nothing, and a program polls on with it.
  'trust-expired': 'never',
  'stale-repeat': 'never',
  locked: 'never',
  frozen: 'never',
  rule: 'never',
  // What holds a line end or a NUL, or nothing at all, can never be right.
  malformed: 'never',
  aborted: 'never',
  'backend-unavailable': 'never',
  'backend-busy': 'never',
  'internal-error': 'never',
  'code-expired': 'counts',
  'app-password-wrong': 'counts',
  // The app password was right, and nobody guesses one of those: it waits, has ended, is elsewhere, or the mailbox has another password.
  'app-password-pending': 'never',
  'app-password-expired': 'never',
  'app-password-network': 'never',
  'app-password-stale': 'never',
}

/** One attempt on its way. `name` is what was typed as a user, canonical where it has such a form. */
export type Entering = {
  name: string
  typed: Typed
  marks: Marks
  dossier: Dossier
  finding: Finding
  policy: LoginPolicy
}

/** What an attempt would be counted by, if it fails. */
export type Stake = {
  held: Held
  counts: Allowance[]
  pool: MarkPool
  string: Buffer
  here: Buffer
  /** Whom it was tried for, in 16 bits. */
  who: () => number
  known: boolean
  /** When it entered, as {@link Exact} has it. */
  turn: number
  /** Its string is known by 16 bits alone, so it is counted, but not judged. */
  repeated: boolean
}

/** `stale`: the string was refused before. `late`: too much is undecided. */
export type Entered = { say: 'in'; stake: Stake | null } | { say: 'stale' | 'locked' | 'late' }

export type Failures = {
  /** Asks whether an attempt is to be judged. Rejects as the store does. */
  enter(entering: Entering, gone: AbortSignal): Promise<Entered>
  /** It failed: counts it where the reason says so, and ends its stake. Rejects as the store does: then nobody is told that it was refused. */
  failed(stake: Stake, reason: LoginFailure): Promise<void>
  /** The client went away while the old server had the password. */
  left(stake: Stake): Promise<void>
}

type Parts = { store: Store; clock: Clock; keys: Keyring; exact: Exact; stakes: Stakes; warnings: Warnings }

/** Needs the store, the keys, the clock, and the audit's mouth. One for each keeper. */
export function createFailures(context: {
  store: Store
  keys: Keyring
  clock: Clock
  emit(event: AuditEvent): void
}): Failures {
  const { clock, emit } = context
  const parts: Parts = {
    ...context,
    exact: createExact(),
    stakes: createStakes(clock),
    warnings: createWarnings(clock, emit),
  }
  return {
    enter: (entering, gone) => enter(parts, entering, gone),
    async failed(stake, reason) {
      const weight = stake.repeated ? 'counts' : WEIGHTS[reason]
      const string = weight === 'here' ? stake.here : stake.string
      try {
        if (weight !== 'never')
          await parts.exact.remember(string, clock.now(), stake.turn, () => count(parts, stake, markOf(string)))
      } finally {
        stake.held.release()
      }
    },
    async left(stake) {
      // Old servers say no late and yes at once: a guesser would hang up in between and never be counted. Where the user is
      // known, it is a train in a tunnel. The string may be the right one, so it is not remembered.
      try {
        if (!stake.known) await count(parts, stake, null)
      } finally {
        stake.held.release()
      }
    },
  }
}

/** Counts a failure, and tells what came of it. `mark` is null for a string that is not to be remembered. */
async function count({ store, clock, warnings }: Parts, stake: Stake, mark: number | null): Promise<void> {
  const { counts, pool, known, who } = stake
  warnings.tell(counts, await store.fail({ counts, pool, mark, who: known ? null : who(), at: clock.now() }))
}

async function enter(parts: Parts, entering: Entering, gone: AbortSignal): Promise<Entered> {
  const { clock, exact, stakes, store } = parts
  const { finding } = entering
  if (finding.say === 'refuse' && (WEIGHTS[finding.reason] === 'never' || finding.proven === true))
    return { say: 'in', stake: null }
  // Sixteen letters that are right were not guessed either: a scanner goes on whoever guesses beside it.
  if (finding.say === 'app-password') return { say: 'in', stake: null }
  const stake = stakeOf(parts, entering)
  const { counts, pool, string, here } = stake
  const known = (strings: Buffer[]) => strings.some((one) => exact.holds(one, clock.now()))
  // Its own string from its own device: what happened elsewhere, and what 16 bits say, is not held against it.
  if (finding.say === 'repeat' && !known([string])) return { say: 'in', stake }
  const until = clock.monotonic() + STAKE_WAIT_MS
  for (;;) {
    const marks = [markOf(string), markOf(here)]
    const home = pool.user === '' ? null : entering.marks.device.network
    const enough = stakes.wanting(counts)
    const standing = await store.standing({ counts, enough, pool, marks, home, now: clock.now() })
    // Forgotten by the store is forgotten: there an operator, or a fresh code, has cleared it.
    const marked = standing.marked.some((one, i) => one && known([i === 0 ? string : here]))
    if (marked) return { say: 'stale' }
    if (finding.say === 'repeat') return { say: 'in', stake }
    if (isLocked(standing)) return { say: 'locked' }
    const full = applying(counts, standing, enough).filter(({ count, room }) => !stakes.fits(count, room))
    if (full.length === 0) {
      // A fresh code that is right was not refused before, whatever 16 bits say: it was not right then.
      const repeated = standing.marked.includes(true) && finding.say !== 'code'
      return { say: 'in', stake: { ...stake, held: stakes.hold(counts), known: standing.known, repeated } }
    }
    // Asked for too little, as others began meanwhile: what there is of it is looked up again, not waited for.
    const wasCut = full.some(({ room, enough: asked }) => room >= asked && asked < STAKES_MAX)
    if (!wasCut && !(await stakes.change(until, gone))) return { say: 'late' }
  }
}

/** Locks of the user in this very network hold for everybody; the others, and a full table, for networks that do not know the user. */
function isLocked({ locks, known, crowded }: Standing): boolean {
  return locks.some(({ kind }) => kind === 'user' || !known) || (crowded && !known)
}

/** What of the counts holds for this attempt, the room that each has left, and how much of it was asked for. */
function applying(counts: Allowance[], { known, room }: Standing, enough: number[]) {
  return counts.flatMap((count, i) =>
    count.kind === 'user' || !known ? [{ count, room: room[i] ?? 0, enough: enough[i] ?? 0 }] : [],
  )
}

/** The network that failures of an address are counted by. Throws for what is no address. */
export function countedNetwork({ failures }: Pick<LoginPolicy, 'failures'>, ip: string): string {
  const address = parseAddress(ip)
  if (address === null) throw new Error('a connection without an address')
  return networkOf(address, failures.per_network)
}

/** What an attempt from an address is counted by; `user` is empty for a name that nobody has. */
export function allowancesOf({ failures }: Pick<LoginPolicy, 'failures'>, user: string, ip: string): Allowance[] {
  const { per_user, per_address, per_network, per_user_everywhere } = failures
  const network = countedNetwork({ failures }, ip)
  const flat = ({ allow, lock }: { allow: { count: number; per: number }; lock: number | null }) => {
    return { allow: allow.count, per: allow.per, lock }
  }
  const ofPlace: Allowance[] = [
    { kind: 'address', user: '', place: ip, ...flat(per_address), grows: true },
    { kind: 'network', user: '', place: network, ...flat(per_network), grows: true },
  ]
  if (user === '') return ofPlace
  const everywhere = flat({ ...per_user_everywhere, lock: null })
  return [
    ...ofPlace,
    { kind: 'user', user, place: network, ...flat(per_user), grows: false },
    { kind: 'everywhere', user, place: '', ...everywhere, grows: false },
  ]
}

function stakeOf({ keys, clock, exact }: Parts, { name, typed, marks, dossier, finding, policy }: Entering): Stake {
  const isNobody = finding.say === 'refuse' && finding.reason === 'unknown-user' && dossier.user === null
  const user = isNobody ? '' : typed.user
  // The way in is part of it: what was refused where a code is asked for may be right where none is, with a certificate, or after a new enrolment.
  const demand = demandOf(policy, dossier.user, typed.ip, clock.now())
  const { totp, second_factor } = policy
  const asked = [demand, dossier.user?.enrolment ?? '', totp.separator, second_factor.methods.join()]
  const way = [...asked, ...(typed.certified ? ['certified'] : [])].join(' ')
  return {
    held: { release: () => undefined },
    counts: allowancesOf(policy, user, typed.ip),
    pool: { user, place: user === '' ? countedNetwork(policy, typed.ip) : '' },
    string: keys.mac('refusal', name, way, typed.secret),
    here: keys.mac('refusal', name, way, typed.secret, marks.device.id),
    who: () => markOf(keys.mac('refusal', name)),
    known: false,
    turn: exact.turn(),
    repeated: false,
  }
}

/** What of an HMAC rests on disk: see `state/sqlite-failures.ts`. */
function markOf(mac: Buffer): number {
  return mac.readUInt16BE(0)
}
