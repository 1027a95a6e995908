/**
 * The contract of the store: what Postern knows about people between two logins. Each operation is atomic; each that
 * changes something resolves once that is on disk and rejects with StateFault when it did not happen. Times are
 * milliseconds since 1970. Names are canonical. Nothing in here opens anything without the master key.
 */
import type { Factor, Stream } from '../audit/events.ts'

/** `none`: known, but without a second factor. `pending`: enrolled, and no code was ever used. */
export type UserState = 'none' | 'pending' | 'enrolled' | 'frozen'
export const USER_STATES: readonly UserState[] = ['none', 'pending', 'enrolled', 'frozen']

export type User = {
  name: string
  state: UserState
  /** Names this very enrolment: what was judged under another one no longer counts. Null without a seed. */
  enrolment: string | null
  sealedSeed: Buffer | null
  enrolledAt: number | null
  /** When the first code of its app was proven. */
  firstUsed: number | null
  /** A code of an earlier enrolment was proven: the bare password does not come back with a new one. */
  provenBefore: boolean
  /** The step of the newest code that was proven. */
  lastStep: number | null
}

/** A string that was proven with a fresh code from a device, which may go on with it. One device may have several. */
export type Trusted = {
  device: string
  /** HMAC of all that was typed. */
  mac: Buffer
  /** HMAC of the password alone, kept where policy lets that repeat too. */
  bareMac: Buffer | null
  network: string
  fingerprint: string
  since: number
  lastUsed: number
  expires: number
}

export type RecoveryCode = { slot: number; mac: Buffer; usedAt: number | null }

/** An app password. Its letters are nowhere; `lookup`, `sealedPublic` and `sealed` are made by factors/kept-app-password.ts. */
export type AppPassword = {
  id: string
  name: string
  lookup: Buffer
  sealedPublic: Buffer
  /** The mailbox password; null as long as it is pending. `sealedAt` names this very sealing. */
  sealed: Buffer | null
  sealedAt: number | null
  /** `any`, `learn`, or networks in canonical form with commas between. */
  networks: string
  /** With `learn`: the network of its first proven use. */
  learnt: string | null
  createdAt: number
  expires: number | null
  lastUsed: number | null
  /** Since when the old server refuses what is sealed. */
  staleSince: number | null
}

export type Resealed = { id: string; sealed: Buffer }

/** A code that the helpdesk made: once, and until then. `number` tells it from those before it. */
export type TempCode = { number: number; mac: Buffer; until: number; usedAt: number | null }

export type NewTempCode = { user: string; enrolment: string; mac: Buffer; at: number; until: number }

export type Frozen = { at: number; reason: string }

/** All that a judgement needs of one user. */
export type Dossier = {
  user: User | null
  trusted: Trusted[]
  recovery: RecoveryCode[]
  temp: TempCode | null
  appPasswords: AppPassword[]
}

/** Which code: the step of a TOTP code (RFC 6238), the slot of a recovery code, or the number of a temporary one. */
export type CodeId = { of: 'totp' | 'recovery' | 'temp'; number: number }

/** One code, typed within one string, from one device. */
export type Claim = { user: string; enrolment: string; code: CodeId; mac: Buffer; device: string }

/**
 * `claimed`: it is the caller's, until it is proven, burnt or freed. `proven`: this very claim was proven before.
 * `burnt`: the old server refused this very claim. `replayed`: the code is another claim's or too old. `void`: the
 * user is gone, frozen or enrolled anew.
 */
export type ClaimAnswer = 'claimed' | 'proven' | 'burnt' | 'replayed' | 'void'

export type Login = { at: number; ip: string; factor: Factor; listener: string }

/** Which app password, and what of it the judgement went by. */
export type ByAppPassword = {
  is: 'app-password'
  id: string
  name: string
  sealedAt: number | null
  learnt: string | null
}

/** What the old server has proven, and what is to be kept of it. */
export type Proof = {
  user: string
  /** The enrolment the judgement was made under; null for a user without one. */
  enrolment: string | null
  by: { is: 'code'; claim: Claim } | { is: 'repeat'; device: string; mac: Buffer } | ByAppPassword | { is: 'password' }
  /** The mailbox password sealed anew for the user's app passwords. */
  resealed?: Resealed[]
  trust: Trusted | null
  login: Login
  network: string
  /** Where failures of this login would have been counted: the network that locks go by. */
  counted: string
}

/** `void`: claim, trust or enrolment is gone since the judgement, or the user frozen: nobody may get in on it. */
export type ProofAnswer = { say: 'recorded'; deviceIsNew: boolean } | { say: 'void' }

export type NewEnrolment = {
  user: string
  enrolment: string
  sealedSeed: Buffer
  /** HMACs of the recovery codes, by slot. */
  recovery: Buffer[]
  at: number
  replace: boolean
}

/** `ended`: devices whose trust went with the old enrolment; `revoked`: names of app passwords that did. */
export type EnrolAnswer = { say: 'enrolled'; replaced: boolean; ended: string[]; revoked: string[] } | { say: 'exists' }

/** `exists`: these are enrolled already, and nobody was enrolled. */
export type EnrolManyAnswer =
  | { say: 'enrolled'; each: { user: string; replaced: boolean; ended: string[]; revoked: string[] }[] }
  | { say: 'exists'; users: string[] }

export type KnownUser = { name: string; state: UserState }
export type UserRow = KnownUser & { enrolledAt: number | null; lastLogin: number | null }

/** A network that passes the gate until then. `network` is in canonical form. */
export type PassRow = { network: string; until: number; reason: string }

/** A user who may come from countries that are shut out, until then. */
export type TravelRow = { user: string; countries: string[]; until: number; reason: string }
/**
 * What failed logins are counted by. `user`: one user from one network. `everywhere`: one user, wherever from. `address` and
 * `network`: whoever it is that is tried from there. Locks are of the same four kinds.
 */
export type CountKind = 'user' | 'everywhere' | 'address' | 'network'
/** `user` is empty for `address` and `network`, `place` for `everywhere`. */
export type CountKey = { kind: CountKind; user: string; place: string }
export type Lock = CountKey & { since: number; until: number }

/**
 * How far one count may go: so many failures in any stretch of `per`, then a lock of `lock` ms. Null: until the oldest of
 * them is past, so that no stretch ever holds more. `grows`: by one for each user proven from there in 30 days.
 */
export type Allowance = CountKey & { allow: number; per: number; lock: number | null; grows: boolean }

/**
 * Strings that were refused, as 16 bits each. `user` is whose they are; for names that nobody has it is empty, and `place`
 * is the network they came from: a stranger fills the table of his own network and pushes out nobody else's.
 */
export type MarkPool = { user: string; place: string }

/**
 * One attempt, as the counts see it. `home`: its network as trusted devices have it, null for names that nobody has. `enough`: how much
 * room of each count is asked for; a count that has as much is not counted to its end.
 */
export type Question = {
  counts: Allowance[]
  enough: number[]
  pool: MarkPool
  marks: number[]
  home: string | null
  now: number
}
/**
 * `known`: the user was proven from there within 30 days. `room`: how many more failures each count takes, at least as many as that
 * where it says `enough`. `marked`: which marks are there. `crowded`: no further lock can be kept.
 */
export type Standing = { known: boolean; locks: Lock[]; room: number[]; marked: boolean[]; crowded: boolean }

/** One failure. `mark` is null where the string is not to be remembered; `who` names in 16 bits whom it was tried for. */
export type FailedTry = { counts: Allowance[]; pool: MarkPool; mark: number | null; who: number | null; at: number }
/** `locks`: those it brought about. `users`: how many were tried from its address, `networks`: from how many its user was. */
export type FailedAnswer = { locks: Lock[]; users: number; networks: number }

/** Whose locks, counts and remembered strings go: a user's, or those of all places that a network holds. */
export type ClearWhat = { user: string } | { holds: (place: string) => boolean }
/** The number and the hash (hex) of the last line of each of the audit's streams. */
export type NotedHeads = Partial<Record<Stream, { seq: number; prev: string }>>
export type AuditNote = { anchor: Buffer; heads: NotedHeads }

export type Store = {
  /** Recovery codes and the temporary one are left out where the caller says that it wants none. */
  dossier(user: string, wanted?: { codes: boolean }): Promise<Dossier>
  /** The app passwords of a user alone. */
  appPasswords(user: string): Promise<AppPassword[]>
  /**
   * Takes a code. One that is open (neither proven nor burnt) is given again to the same claim alone: after a restart
   * nobody knows how it ended. The caller sees to it that one process does not claim one code twice at a time.
   */
  claim(claim: Claim, at: number): Promise<ClaimAnswer>
  /** The old server refused: this claim is dead, and the code worthless to other devices. */
  burn(claim: Claim): Promise<void>
  /** Nobody judged: as if the claim had never been made. Does nothing to one that is proven or burnt. */
  free(claim: Claim): Promise<void>
  prove(proof: Proof, at: number): Promise<ProofAnswer>
  enroll(enrolment: NewEnrolment): Promise<EnrolAnswer>
  /** All of them or nobody. */
  enrollMany(enrolments: NewEnrolment[]): Promise<EnrolManyAnswer>
  /** Takes every trace of a user out of the files. Gives whether there was one. */
  remove(user: string): Promise<boolean>
  /**
   * Freezes (with a reason), or unfreezes with null. A freeze ends trust, codes under way and the temporary code for good;
   * gives the devices whose trust it ended.
   */
  freeze(user: string, frozen: Frozen | null): Promise<string[]>
  frozen(user: string): Promise<Frozen | null>
  /** Ends the trust of one device, or of all with null. Gives those whose trust still ran. */
  endDevices(user: string, device: string | null, at: number): Promise<string[]>
  /** Takes the place of an earlier one. False, and nothing changes, when that enrolment is gone or the user frozen. */
  giveTempCode(code: NewTempCode): Promise<boolean>
  /** All of them, by name. */
  users(): Promise<UserRow[]>
  /** The same without their last logins, which cost the most. */
  known(): Promise<KnownUser[]>
  /** Changes one row that means nothing. Rejects as a claim would: a full disk can still be read. */
  tryWrite(at: number): Promise<void>
  /** How many users are in each state. */
  count(): Promise<Record<UserState, number>>
  /** From where logins were proven after that time: each address once, with its last; the one proven longest ago first. */
  provenSince(at: number): Promise<{ ip: string; at: number }[]>
  /** The last logins, newest first. */
  logins(user: string): Promise<Login[]>
  /** All break-glass passes, also those that have run out. */
  passes(): Promise<PassRow[]>
  /** Gives a network its pass and forgets those that have run out. False, and nothing changes, when `most` others stand. */
  givePass(pass: PassRow, now: number, most: number): Promise<boolean>
  /** Gives whether there was one. */
  endPass(network: string): Promise<boolean>
  /** Makes the user known as well. `exists`: one of that name; `full`: the user has `most` already. */
  addAppPassword(user: string, row: AppPassword, most: number): Promise<'added' | 'exists' | 'full'>
  /** Gives whether there was one of that name. */
  revokeAppPassword(user: string, name: string): Promise<boolean>
  /** The old server refused what was sealed. Gives whether that is new: false also when it was sealed anew meanwhile. */
  staleAppPassword(user: string, by: ByAppPassword, at: number): Promise<boolean>
  /** Keeps the hash of the last proven password. Does nothing when the enrolment it was proven under is gone. */
  keepPasswordHash(user: string, enrolment: string, sealedHash: Buffer): Promise<void>
  /** The hash, if there is one. */
  passwordHash(user: string): Promise<Buffer | null>
  /** The hash, if there is one; and whether the user was proven from that network. */
  exposure(user: string, network: string): Promise<{ sealedHash: Buffer | null; known: boolean }>
  /** All journeys, also those that have run out. */
  travels(): Promise<TravelRow[]>
  /** Gives a user a journey in place of an earlier one and forgets those that have run out. False, and nothing changes, when `most` others travel. */
  putTravel(travel: TravelRow, now: number, most: number): Promise<boolean>
  /** Gives whether there was one. */
  endTravel(user: string): Promise<boolean>
  /** Reads how an attempt stands with what failed before it. */
  standing(question: Question): Promise<Standing>
  /** Counts a failure, remembers its string, and locks what has gone too far. */
  fail(tried: FailedTry): Promise<FailedAnswer>
  /** The locks that stand, those of users first. */
  locks(now: number): Promise<Lock[]>
  countLocks(now: number): Promise<number>
  /** Ends locks and forgets counts; of a user also the refused strings. `some` is false when there was nothing at all. */
  clearLocks(what: ClearWhat, now: number): Promise<{ locks: Lock[]; some: boolean }>
  /** The user's strings are judged again: the way in has changed. */
  forgetRefused(user: string): Promise<void>
  /** Where the audit stood when that was last noted: behind what is on disk after a crash, never before it. */
  heads(): Promise<NotedHeads>
  keepHeads(heads: NotedHeads): Promise<void>
  /** The public root of the keys that seal the audit, for whoever verifies it. */
  keepAnchor(anchor: Buffer): Promise<void>
  /** Writes what is queued and lets go. */
  close(): void
}
