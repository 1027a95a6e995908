import { expect, test } from 'vitest'
import { reveal, Secret } from '../../../src/base/secret.ts'
import { argon2id } from '../../../src/factors/password-hash.ts'

const secret = (text: string) => new Secret(Buffer.from(text))

test('a hash is of its password alone, salted, and holds nothing of it', async () => {
  const [one, other] = await Promise.all([argon2id.hash(secret('hunter2')), argon2id.hash(secret('hunter2'))])
  expect(reveal(one).equals(reveal(other))).toBe(false)
  expect(reveal(one).includes('hunter2')).toBe(false)
  expect(await argon2id.verify(secret('hunter2'), one)).toBe(true)
  expect(await argon2id.verify(secret('hunter3'), one)).toBe(false)
  await expect(argon2id.verify(secret('hunter2'), new Secret(reveal(one).subarray(1)))).rejects.toThrow(
    'not a password',
  )
})
