/**
 * Enrolment of many at once, in two questions: who is meant and may be enrolled, and then, when their sheets are on disk, all of them
 * in one transaction. So nobody is ever enrolled whose sheet does not exist; a sheet that enrols nobody does no harm.
 */
import { randomBytes } from 'node:crypto'
import { clean } from '../base/clean.ts'
import { ENROL_MANY_MAX, ENROL_PIECE } from '../base/login-limits.ts'
import { Refusal } from '../base/refusal.ts'
import { Secret } from '../base/secret.ts'
import { inTurns } from '../base/turns.ts'
import { plainName } from '../base/user-name.ts'
import { readRecoveryCode, RECOVERY_CODES } from '../factors/recovery.ts'
import { SEED_LENGTH } from '../factors/totp.ts'
import { StateFault } from '../state/fault.ts'
import type { NewEnrolment } from '../state/store.ts'
import { tellEnrolled, type UsersContext } from './users.ts'

/** `names`: the words of a line, which all mean one user: a roster is an enrolment file too. */
export type EnrolLine = { line: number; names: string[] }
/** `skipped` are enrolled already. With a fault in it nothing is to be done at all. */
export type EnrolPlan = { users: string[]; skipped: string[]; faults: { line: number; message: string }[] }

/** Tells who would be enrolled, and what is wrong with the lines. Changes nothing. */
export async function planEnrolment(
  context: UsersContext,
  { lines, replace }: { lines: EnrolLine[]; replace: boolean },
): Promise<EnrolPlan> {
  if (lines.length > ENROL_MANY_MAX) throw new Refusal(`more than ${ENROL_MANY_MAX} users: enrol them in several files`)
  const enrolled = new Set(
    (await context.store.users()).flatMap(({ name, enrolledAt }) => (enrolledAt === null ? [] : [name])),
  )
  const lineOf = new Map<string, number>()
  const faults: EnrolPlan['faults'] = []
  for (const { line, names } of lines) {
    const read = userOf(context, names)
    if ('fault' in read) faults.push({ line, message: read.fault })
    else if (lineOf.has(read.user))
      faults.push({ line, message: `${read.user} stands in line ${lineOf.get(read.user)} already` })
    else lineOf.set(read.user, line)
  }
  const isSkipped = (user: string) => !replace && enrolled.has(user)
  const users = [...lineOf.keys()]
  return { users: users.filter((user) => !isSkipped(user)), skipped: users.filter(isSkipped), faults }
}

function userOf({ rules }: UsersContext, names: string[]): { user: string } | { fault: string } {
  const { roster } = rules()
  const users = new Set<string>()
  for (const name of names) {
    const plain = plainName(name, rules())
    if (plain === null) return { fault: `\`${clean(name, 60)}\` is no user name; see \`users\` in login.yaml` }
    const user = roster === null ? plain : roster.get(plain)
    if (user === undefined) return { fault: `the roster does not name \`${plain}\`` }
    users.add(user)
  }
  const [user] = users
  if (user === undefined) return { fault: 'names nobody' }
  return users.size === 1 ? { user } : { fault: `names more than one user: ${[...users].slice(0, 5).join(', ')}` }
}

/** What a sheet was made of. `seed` is in base64. */
export type EnrolmentMade = { user: string; seed: string; recovery_codes: string[] }
/** `enrolled: false`: nobody was enrolled, and why. Whatever else happens is thrown, and then nobody knows. */
export type EnrolledMany = { enrolled: true; users: number; replaced: number } | { enrolled: false; why: string }

/** Enrols all of them, or nobody. Needs users as {@link planEnrolment} gave them. */
export async function enrolMany(
  context: UsersContext,
  { made, replace }: { made: EnrolmentMade[]; replace: boolean },
): Promise<EnrolledMany> {
  const { clock, store } = context
  const bad = made.find((one) => !isSound(context, one))
  if (bad !== undefined)
    return { enrolled: false, why: `${clean(bad.user)} cannot be enrolled: did the roster change just now?` }
  const enrolments: NewEnrolment[] = []
  const seal = (one: EnrolmentMade) => void enrolments.push(enrolmentOf(context, one, clock.now(), replace))
  await inTurns(made, seal, ENROL_PIECE)
  const answer = await store.enrollMany(enrolments).catch(notDone)
  if ('why' in answer) return { enrolled: false, why: answer.why }
  if (answer.say === 'exists') {
    const [one = ''] = answer.users
    return { enrolled: false, why: `${one} was enrolled by somebody else just now: start again` }
  }
  const tell = (one: (typeof answer.each)[number]) => {
    tellEnrolled(context, one)
  }
  await inTurns(answer.each, tell, ENROL_PIECE)
  return { enrolled: true, users: answer.each.length, replaced: answer.each.filter(({ replaced }) => replaced).length }
}

/** The store says so when a transaction did not happen. */
function notDone(error: unknown): { why: string } {
  if (error instanceof StateFault) return { why: error.message }
  throw error
}

function isSound(context: UsersContext, { user, seed, recovery_codes: codes }: EnrolmentMade): boolean {
  const read = userOf(context, [user])
  const isUser = 'user' in read && read.user === user
  const areCodes =
    codes.length === RECOVERY_CODES && codes.every((code) => readRecoveryCode(Buffer.from(code)) === code)
  return isUser && areCodes && Buffer.from(seed, 'base64').length === SEED_LENGTH
}

function enrolmentOf({ keys }: UsersContext, made: EnrolmentMade, at: number, replace: boolean): NewEnrolment {
  const { user, seed, recovery_codes } = made
  return {
    user,
    enrolment: randomBytes(8).toString('hex'),
    sealedSeed: keys.seal('seed', user, new Secret(Buffer.from(seed, 'base64'))),
    recovery: recovery_codes.map((code) => keys.mac('recovery', user, code)),
    at,
    replace,
  }
}
