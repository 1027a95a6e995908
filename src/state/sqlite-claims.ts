/** Codes taken, proven, burnt and freed; called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { BURNT_PER_CODE_MAX, CLAIM_KEPT_MS, CLAIM_OPEN_KEPT_MS, CLAIMS_PRUNED_EVERY_MS } from '../base/login-limits.ts'
import { blob, text, textOrNull, wholeOrNull, type Row } from './rows.ts'
import type { Claim, ClaimAnswer, CodeId } from './store.ts'

export type Claims = {
  claim(claim: Claim, at: number): ClaimAnswer
  burn(claim: Claim): void
  free(claim: Claim): void
  /** Gives false when the claim is not open any more. */
  prove(claim: Claim, at: number): boolean
}

/** What the tables hold about the one claim. */
type Standing = { ofCode: Row[]; lastStep: number | null; lastStepDevice: string | null; spent: boolean }

const TUPLE = 'user = ? AND kind = ? AND number = ? AND mac = ? AND device = ?'
const tuple = ({ user, code, mac, device }: Claim) => [user, code.of, code.number, mac, device] as const

/** Needs a migrated database. */
export function prepareClaims(db: DatabaseSync): Claims {
  const user = db.prepare('SELECT enrolment, last_step, last_step_device, frozen_at FROM users WHERE name = ?')
  const ofCode = db.prepare('SELECT mac, device, outcome FROM claims WHERE user = ? AND kind = ? AND number = ?')
  const unused = db.prepare('SELECT 1 FROM recovery WHERE user = ? AND slot = ? AND used_at IS NULL')
  const tempGood = db.prepare(
    'SELECT 1 FROM temp_codes WHERE user = ? AND number = ? AND used_at IS NULL AND until > ?',
  )
  const prune = db.prepare('DELETE FROM claims WHERE at < ? AND (outcome IS NOT NULL OR at < ?)')
  const insert = db.prepare('INSERT INTO claims (user, kind, number, mac, device, at) VALUES (?, ?, ?, ?, ?, ?)')
  const retake = db.prepare(`UPDATE claims SET at = ? WHERE ${TUPLE}`)
  const settle = db.prepare(`UPDATE claims SET outcome = ? WHERE ${TUPLE} AND outcome IS NULL`)
  const free = db.prepare(`DELETE FROM claims WHERE ${TUPLE} AND outcome IS NULL`)
  const step = db.prepare(
    `UPDATE users SET first_used = coalesce(first_used, ?),
       last_step_device = CASE WHEN last_step IS NULL OR last_step < ? THEN ? ELSE last_step_device END,
       last_step = max(coalesce(last_step, ?), ?) WHERE name = ?`,
  )
  const spend = {
    recovery: db.prepare('UPDATE recovery SET used_at = ? WHERE user = ? AND slot = ? AND used_at IS NULL'),
    temp: db.prepare('UPDATE temp_codes SET used_at = ? WHERE user = ? AND number = ? AND used_at IS NULL'),
  }

  let prunedAt = -Infinity

  /** What is kept longer than it need be refuses what it refused before. */
  function pruneNowAndThen(at: number): void {
    if (Math.abs(at - prunedAt) < CLAIMS_PRUNED_EVERY_MS) return
    prunedAt = at
    prune.run(at - CLAIM_KEPT_MS, at - CLAIM_OPEN_KEPT_MS)
  }

  function isSpent({ user: name, code: { of, number } }: Claim, at: number): boolean {
    if (of === 'totp') return false
    return (of === 'temp' ? tempGood.get(name, number, at) : unused.get(name, number)) === undefined
  }

  function claim(wanted: Claim, at: number): ClaimAnswer {
    pruneNowAndThen(at)
    const found = user.get(wanted.user)
    if (found === undefined || textOrNull(found, 'enrolment') !== wanted.enrolment || found['frozen_at'] !== null)
      return 'void'
    const { of, number } = wanted.code
    const answer = judge(wanted, {
      ofCode: ofCode.all(wanted.user, of, number),
      lastStep: wholeOrNull(found, 'last_step'),
      lastStepDevice: textOrNull(found, 'last_step_device'),
      spent: isSpent(wanted, at),
    })
    if (answer === 'take') insert.run(...tuple(wanted), at)
    if (answer === 'take again') retake.run(at, ...tuple(wanted))
    return answer === 'take' || answer === 'take again' ? 'claimed' : answer
  }

  function prove(wanted: Claim, at: number): boolean {
    if (settle.run('proven', ...tuple(wanted)).changes !== 1) return false
    const { of, number } = wanted.code
    if (of !== 'totp') return spend[of].run(at, wanted.user, number).changes === 1
    return step.run(at, number, wanted.device, number, number, wanted.user).changes === 1
  }

  return {
    claim,
    prove,
    burn: (claimed) => void settle.run('burnt', ...tuple(claimed)),
    free: (claimed) => void free.run(...tuple(claimed)),
  }
}

/** The rules of section 4 of the contract, in their order. */
function judge(wanted: Claim, standing: Standing): 'take' | 'take again' | ClaimAnswer {
  const own = standing.ofCode.find(
    (row) => text(row, 'device') === wanted.device && blob(row, 'mac').equals(wanted.mac),
  )
  if (own !== undefined) {
    const outcome = textOrNull(own, 'outcome')
    return outcome === 'proven' ? 'proven' : outcome === 'burnt' ? 'burnt' : 'take again'
  }
  const others = standing.ofCode
  const open = others.some((row) => text(row, 'device') !== wanted.device || textOrNull(row, 'outcome') !== 'burnt')
  if (open || others.length >= BURNT_PER_CODE_MAX || standing.spent) return 'replayed'
  return isOld(wanted.code, wanted.device, standing) ? 'replayed' : 'take'
}

/** Codes up to the last proven one are worthless elsewhere, and the last proven one everywhere (RFC 6238 section 5.2). */
function isOld(code: CodeId, device: string, { lastStep, lastStepDevice }: Standing): boolean {
  if (code.of !== 'totp' || lastStep === null || code.number > lastStep) return false
  return code.number === lastStep || device !== lastStepDevice
}
