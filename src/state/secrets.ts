/**
 * Encryption at rest. Every purpose has a key of its own, derived from the master key, so that a value made for one
 * purpose says nothing and opens nothing in another. Key bytes live in KeyObjects alone, which print nothing.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import { reveal, Secret } from '../base/secret.ts'

/** What is sealed: seeds; what is kept of app passwords; the last proven mailbox password as argon2id; the keys that seal the audit. */
export type SealPurpose = 'seed' | 'app-password' | 'password-hash' | 'audit'
/**
 * What is kept as an HMAC. `string`: all that was typed as a password, code included. `bare`: the password alone.
 * `refused`: a password that a backend refused (in memory only). `refusal`: a string that was refused (16 bits of it on disk).
 * `check`: tells whether a store was made with this key. `app-password`: the public half of one.
 */
export type MacPurpose = 'string' | 'bare' | 'recovery' | 'device' | 'refused' | 'refusal' | 'check' | 'app-password'

export type Keyring = {
  /** AES-256-GCM under a random nonce, bound to purpose and user: a row moved to another user does not open. */
  seal(purpose: SealPurpose, user: string, plain: Secret): Buffer
  /** Throws when the bytes were altered, cut, or sealed for another purpose, user or key. */
  open(purpose: SealPurpose, user: string, sealed: Buffer): Secret
  /** HMAC-SHA256 (32 bytes) over the user and the parts, each with its length before it, so that no two lists of parts meet. */
  mac(purpose: MacPurpose, user: string, ...parts: (Buffer | string)[]): Buffer
}

const SEALED_VERSION = 1
const NONCE_LENGTH = 12
const TAG_LENGTH = 16
const HEAD_LENGTH = 1 + NONCE_LENGTH
const CIPHER = 'aes-256-gcm'

/** Needs the 32 bytes of the master key; keeps none of them, only keys derived from them (HKDF-SHA256, RFC 5869). */
export function createKeyring(master: Secret): Keyring {
  const derived = (purpose: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', reveal(master), '', `postern 1 ${purpose}`, 32)))
  const sealing: Record<SealPurpose, KeyObject> = {
    seed: derived('seed'),
    'app-password': derived('app-password sealed'),
    'password-hash': derived('password-hash'),
    audit: derived('audit'),
  }
  const macs: Record<MacPurpose, KeyObject> = {
    string: derived('string'),
    bare: derived('bare'),
    recovery: derived('recovery'),
    device: derived('device'),
    refused: derived('refused'),
    refusal: derived('refusal'),
    check: derived('check'),
    'app-password': derived('app-password'),
  }
  return {
    seal: (purpose, user, plain) => seal(sealing[purpose], boundTo(purpose, user), reveal(plain)),
    open: (purpose, user, sealed) => new Secret(unseal(sealing[purpose], boundTo(purpose, user), sealed)),
    mac: (purpose, user, ...parts) => mac(macs[purpose], [user, ...parts]),
  }
}

function boundTo(purpose: SealPurpose, user: string): Buffer {
  return Buffer.from(`${purpose} ${user}`)
}

function seal(key: KeyObject, bound: Buffer, plain: Buffer): Buffer {
  const nonce = randomBytes(NONCE_LENGTH)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_LENGTH }).setAAD(bound)
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([Buffer.from([SEALED_VERSION]), nonce, body, cipher.getAuthTag()])
}

function unseal(key: KeyObject, bound: Buffer, sealed: Buffer): Buffer {
  if (sealed[0] !== SEALED_VERSION || sealed.length < HEAD_LENGTH + TAG_LENGTH) throw new Error('not a sealed value')
  const tagAt = sealed.length - TAG_LENGTH
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(1, HEAD_LENGTH), { authTagLength: TAG_LENGTH })
  decipher.setAAD(bound).setAuthTag(sealed.subarray(tagAt))
  return Buffer.concat([decipher.update(sealed.subarray(HEAD_LENGTH, tagAt)), decipher.final()])
}

function mac(key: KeyObject, parts: (Buffer | string)[]): Buffer {
  const hmac = createHmac('sha256', key)
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(bytes.length)
    hmac.update(length).update(bytes)
  }
  return hmac.digest()
}
