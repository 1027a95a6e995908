/** Time-based one-time passwords (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, steps of 30 seconds. */
import { createHmac, randomBytes } from 'node:crypto'
import { TOTP_WINDOW_MAX } from '../base/login-limits.ts'
import { reveal, Secret } from '../base/secret.ts'
import { encodeBase32 } from './base32.ts'
import { sameBytes } from './same-bytes.ts'

export const STEP_MS = 30_000
export const DIGITS = 6
/** The length of the HMAC's output, as RFC 4226 section 4 (R6) recommends. */
export const SEED_LENGTH = 20

/** Makes a seed of 160 random bits. */
export function makeSeed(): Secret {
  return new Secret(randomBytes(SEED_LENGTH))
}

/** Gives the step (T of RFC 6238) of a time in milliseconds since 1970. */
export function stepAt(now: number): number {
  return Math.floor(now / STEP_MS)
}

/** Gives the six digits of one step, as ASCII (RFC 4226 section 5.3). */
export function codeOf(seed: Secret, step: number): Buffer {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const digest = createHmac('sha1', reveal(seed)).update(counter).digest()
  const offset = (digest.at(-1) ?? 0) & 15
  const number = (digest.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS
  return Buffer.from(String(number).padStart(DIGITS, '0'))
}

/**
 * Gives the step that a typed code is of, or null. `window`: steps before and after the present one that count too.
 * Every step is computed and compared in constant time, so that the time taken does not tell which one was near.
 * Should a code match two steps, the newest is taken: claiming it also voids the older one.
 */
export function matchingStep(seed: Secret, code: Buffer, now: number, window: number): number | null {
  const present = stepAt(now)
  const reach = Math.min(window, TOTP_WINDOW_MAX)
  let matched: number | null = null
  for (let step = Math.max(0, present - reach); step <= present + reach; step++) {
    matched = sameBytes(codeOf(seed, step), code) ? step : matched
  }
  return matched
}

/**
 * Gives how many steps from the present the nearest step is that a typed code is of, up to `reach` either way, or null. The code is
 * none the better for it: this tells a wrong clock from a wrong code. Takes the same time whatever is found.
 */
export function stepsAway(seed: Secret, code: Buffer, now: number, reach: number): number | null {
  const present = stepAt(now)
  let found: number | null = null
  for (let away = reach; away >= 0; away--) {
    for (const offset of [away, 0 - away]) {
      const step = Math.max(0, present + offset)
      found = sameBytes(codeOf(seed, step), code) ? offset : found
    }
  }
  return found
}

/** Gives the URI that authenticator apps read (the Key Uri Format of Google Authenticator). Holds the seed: show it once. */
export function otpauthUri(seed: Secret, user: string, issuer: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(user)}`
  const secret = encodeBase32(reveal(seed))
  return `otpauth://totp/${label}?secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_MS / 1000}`
}
