/** What an authenticator app does with an otpauth address. */
import { Secret } from '../base/secret.ts'
import { codeOf, stepAt } from '../factors/totp.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Needs the address as `user enroll` prints it; gives what tells the code of the moment. */
export function authenticator(otpauth: string): () => string {
  const secret = new URL(otpauth).searchParams.get('secret') ?? ''
  const bits = [...secret].map((sign) => ALPHABET.indexOf(sign).toString(2).padStart(5, '0')).join('')
  const seed = new Secret(Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2))))
  return () => codeOf(seed, stepAt(Date.now())).toString('latin1')
}
