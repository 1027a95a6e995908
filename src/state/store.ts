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
  /** When the first code was proven. */
  firstUsed: number | null
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

/** All that a judgement needs of one user. */
export type Dossier = { user: User | null; trusted: Trusted[]; recovery: RecoveryCode[] }

/** Which code: the step of a TOTP code (RFC 6238), or the slot of a recovery code. */
export type CodeId = { of: 'totp' | 'recovery'; number: number }

/** One code, typed within one string, from one device. */
export type Claim = { user: string; enrolment: string; code: CodeId; mac: Buffer; device: string }

/**
 * `claimed`: it is the caller's, until it is proven, burnt or freed. `proven`: this very claim was proven before.
 * `burnt`: the old server refused this very claim. `replayed`: the code is another claim's or too old. `void`: the
 * user is gone, frozen or enrolled anew.
 */
export type ClaimAnswer = 'claimed' | 'proven' | 'burnt' | 'replayed' | 'void'

export type Login = { at: number; ip: string; factor: Factor; listener: string }

/** What the old server has proven, and what is to be kept of it. */
export type Proof = {
  user: string
  /** The enrolment the judgement was made under; null for a user without one. */
  enrolment: string | null
  by: { is: 'code'; claim: Claim } | { is: 'repeat'; device: string; mac: Buffer } | { is: 'password' }
  trust: Trusted | null
  login: Login
  network: string
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

/** `ended`: devices whose trust went with the old enrolment. */
export type EnrolAnswer = { say: 'enrolled'; replaced: boolean; ended: string[] } | { say: 'exists' }

export type UserRow = { name: string; state: UserState; enrolledAt: number | null; lastLogin: number | null }

/** A network that passes the gate until then. `network` is in canonical form. */
export type PassRow = { network: string; until: number; reason: string }

/** The number and the hash (hex) of the last line of each of the audit's streams. */
export type NotedHeads = Partial<Record<Stream, { seq: number; prev: string }>>
export type AuditNote = { anchor: Buffer; heads: NotedHeads }

export type Store = {
  dossier(user: string): Promise<Dossier>
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
  /** Takes every trace of a user out of the files. Gives whether there was one. */
  remove(user: string): Promise<boolean>
  /** Freezes (with a reason), or unfreezes with null. */
  freeze(user: string, frozen: { at: number; reason: string } | null): Promise<void>
  users(): Promise<UserRow[]>
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
  /** Where the audit stood when that was last noted: behind what is on disk after a crash, never before it. */
  heads(): Promise<NotedHeads>
  keepHeads(heads: NotedHeads): Promise<void>
  /** The public root of the keys that seal the audit, for whoever verifies it. */
  keepAnchor(anchor: Buffer): Promise<void>
  /** Writes what is queued and lets go. */
  close(): void
}
