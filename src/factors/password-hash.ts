/**
 * The last proven mailbox password as argon2id (RFC 9106), so that a right one with a wrong code can be told. It is slow
 * on purpose: people choose these passwords, and an HMAC would let who holds store and master key try millions a second.
 */
import { argon2, randomBytes, type Argon2Parameters } from 'node:crypto'
import { reveal, Secret } from '../base/secret.ts'
import { sameBytes } from './same-bytes.ts'

export type PasswordHasher = {
  /** Gives salt and hash in one value. Works beside the loop; rejects when there is no memory for it. */
  hash(password: Secret): Promise<Secret>
  /** Tells whether a value of {@link hash} is of this password. */
  verify(password: Secret, hashed: Secret): Promise<boolean>
}

const VERSION = 1
const SALT_LENGTH = 16
const HASH_LENGTH = 32
/** OWASP's least for argon2id: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: HASH_LENGTH }

/** Node's own argon2id: each call takes one thread of the pool, 19 MiB and about 50 ms. */
export const argon2id: PasswordHasher = {
  async hash(password) {
    const salt = randomBytes(SALT_LENGTH)
    return new Secret(Buffer.concat([Buffer.from([VERSION]), salt, await derive(password, salt)]))
  },
  async verify(password, hashed) {
    const bytes = reveal(hashed)
    if (bytes[0] !== VERSION || bytes.length !== 1 + SALT_LENGTH + HASH_LENGTH) throw new Error('not a password hash')
    const found = await derive(password, bytes.subarray(1, 1 + SALT_LENGTH))
    return sameBytes(found, bytes.subarray(1 + SALT_LENGTH))
  },
}

function derive(password: Secret, nonce: Buffer): Promise<Buffer> {
  const parameters: Argon2Parameters = { message: reveal(password), nonce, ...COST }
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, hash) => {
      if (error === null) resolve(hash)
      else reject(error)
    })
  })
}
