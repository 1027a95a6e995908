/** `postern user enroll --from FILE --out DIR`: one sheet a user, or nothing at all. */
import { constants } from 'node:fs'
import { lstat, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { clean } from '../base/clean.ts'
import { CANONICAL_NAME_MAX, ENROL_FILE_MAX, SHEETS_AT_ONCE } from '../base/login-limits.ts'
import { Refusal } from '../base/refusal.ts'
import { reveal } from '../base/secret.ts'
import { encodeBase32 } from '../factors/base32.ts'
import { makeRecoveryCodes } from '../factors/recovery.ts'
import { makeSeed, otpauthUri } from '../factors/totp.ts'
import type { EnrolledMany, EnrolLine, EnrolmentMade, EnrolPlan } from '../keeper/enrol-many.ts'
import { DEFAULT_ISSUER } from '../keeper/users.ts'
import { request } from './request.ts'
import { sheetName, sheetOf } from './sheet.ts'

type Options = { config: string; from: string; out: string; replace?: boolean; json?: boolean }
type Fault = EnrolPlan['faults'][number]

/** Enrols everybody of a file and leaves a sheet for each. Throws {@link Refusal} with every bad line; nothing is done then. */
export async function enrollFrom({ config, from, out, replace = false, json }: Options): Promise<number> {
  const { lines, faults } = readLines(await readWhole(from))
  const plan = (await request(config, 'user.enroll-plan', { lines, replace })) as EnrolPlan
  const all = [...faults, ...plan.faults].toSorted((a, b) => a.line - b.line)
  if (all.length > 0) throw new Refusal(...all.map(({ line, message }) => `${from}:${line}: ${message}`))
  const made = plan.users.map(makeOne)
  if (made.length > 0) await enrolWithSheets(config, out, made, replace)
  if (json === true) print(JSON.stringify({ enrolled: plan.users, skipped: plan.skipped, sheets: out }))
  else {
    for (const user of plan.skipped) print(`${user} is enrolled already, and left as it is`)
    print(
      `${plan.users.length} enrolled, ${plan.skipped.length} skipped${made.length > 0 ? `; the sheets are in ${out}` : ''}`,
    )
  }
  return 0
}

/** A user with aliases, as a roster has them. */
const NAMES_PER_LINE = 100

const print = (text: string) => process.stdout.write(`${text}\n`)

async function readWhole(file: string): Promise<Buffer> {
  const facts = await stat(file).catch(() => null)
  if (facts === null) throw new Refusal(`${file} cannot be read; write one user a line into it`)
  if (!facts.isFile() || facts.size > ENROL_FILE_MAX)
    throw new Refusal(`${file} is no file of at most ${ENROL_FILE_MAX} octets`)
  return readFile(file)
}

/** Splits octets, not text: a line that is no UTF-8 is named, and the others are read. */
function readLines(bytes: Buffer): { lines: EnrolLine[]; faults: Fault[] } {
  const lines: EnrolLine[] = []
  const faults: Fault[] = []
  let line = 0
  for (let at = 0; at <= bytes.length; line++) {
    const end = bytes.indexOf(0x0a, at)
    const octets = bytes.subarray(at, end < 0 ? bytes.length : end)
    at = end < 0 ? bytes.length + 1 : end + 1
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: line > 0 }).decode(octets)
      const names = text
        .replace(/(^|\s)#.*/s, '')
        .split(/\s+/)
        .filter((word) => word !== '')
      const fault = unfit(names)
      if (fault !== null) faults.push({ line: line + 1, message: fault })
      else if (names.length > 0) lines.push({ line: line + 1, names })
    } catch {
      faults.push({ line: line + 1, message: 'is not UTF-8; save the file as UTF-8' })
    }
  }
  return { lines, faults }
}

/** What is no line of names at all, and would only fill the question to the server. */
function unfit(names: string[]): string | null {
  if (names.length > NAMES_PER_LINE) return 'names more than one user: write one a line'
  const long = names.find((name) => Buffer.byteLength(name) > 4 * CANONICAL_NAME_MAX)
  return long === undefined ? null : `\`${clean(long, 60)}\` is no user name; see \`users\` in login.yaml`
}

type Made = EnrolmentMade & { otpauth: string; secret: string }

function makeOne(user: string): Made {
  const seed = makeSeed()
  const bytes = reveal(seed)
  const otpauth = otpauthUri(seed, user, DEFAULT_ISSUER)
  return {
    user,
    seed: bytes.toString('base64'),
    recovery_codes: makeRecoveryCodes(),
    otpauth,
    secret: encodeBase32(bytes),
  }
}

/** Sheets first, on disk to the last octet; then the enrolment. Sheets go again only when it is known that nobody was enrolled. */
async function enrolWithSheets(config: string, out: string, made: Made[], replace: boolean): Promise<void> {
  await privateFolder(out)
  const undo = await writeSheets(out, made)
  const enrolments = made.map(({ user, seed, recovery_codes }): EnrolmentMade => ({ user, seed, recovery_codes }))
  const answer = (await request(config, 'user.enroll-many', { made: enrolments, replace }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new Refusal(
      `${why}; whether they are enrolled is not known: look with \`postern user list\`. If they are, the sheets in ${out} are theirs; if not, delete these`,
    )
  })) as EnrolledMany
  if (answer.enrolled) return
  await undo()
  throw new Refusal(`nobody was enrolled: ${answer.why}`)
}

async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700, recursive: true }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST')
      throw new Refusal(`${path} cannot be made (${code ?? 'unknown error'}); name another with --out`)
  })
  const facts = await lstat(path)
  // ATTACK: a folder of somebody else is theirs to read, whatever its mode says to others.
  if (facts.uid !== process.geteuid?.()) throw new Refusal(`${path} belongs to another user; name another with --out`)
  if (!facts.isDirectory()) throw new Refusal(`${path} is no folder; name another with --out`)
  if ((facts.mode & 0o077) !== 0)
    throw new Refusal(`${path} can be read by others: chmod 700 ${path}, or name another with --out`)
}

/** Gives the way back. Throws {@link Refusal} when one cannot be written; those written before are gone then. */
async function writeSheets(out: string, made: Made[]): Promise<() => Promise<void>> {
  const written: string[] = []
  const undo = async () => {
    for (const path of written) await rm(path, { force: true })
  }
  const now = Date.now()
  const queue = made.values()
  const work = async () => {
    for (const one of queue) {
      const path = join(out, sheetName(one.user))
      const sheet = sheetOf({ ...one, recoveryCodes: one.recovery_codes }, now)
      await writeNew(path, sheet, () => written.push(path))
    }
  }
  const done = await Promise.allSettled(Array.from({ length: SHEETS_AT_ONCE }, work))
  const failed = done.find((one) => one.status === 'rejected')
  if (failed !== undefined) {
    await undo()
    throw failed.reason
  }
  await syncFolder(out)
  return undo
}

async function writeNew(path: string, text: string, made: () => void): Promise<void> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    made()
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === 'EEXIST'
        ? 'exists already, and is not overwritten; name another folder with --out'
        : `cannot be written (${code ?? 'unknown error'})`
    throw new Refusal(`nobody was enrolled: ${clean(path, 1_000)} ${why}`)
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
