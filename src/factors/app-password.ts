/**
 * App passwords: sixteen letters for programs that cannot ask for a code. The letters are the seed of an X25519 key pair
 * (RFC 7748); what is sealed to its public half opens with the letters alone, and those are nowhere.
 *
 * No slow hash stands between letters and key, and none is needed: sixteen letters of 26 are 26^16 = 2^75 equally likely
 * strings, made by us and never chosen by a person. Who tests a billion a second needs a million years for half of them.
 * A slow hash would cost every poll of every program what it would cost that attacker, and gain nothing.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomInt,
  type KeyObject,
} from 'node:crypto'
import { APP_PASSWORD_TYPED_MAX } from '../base/login-limits.ts'
import { reveal, Secret } from '../base/secret.ts'

const LETTERS = 16
const GROUP = 4
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz'
const FORM = /^[a-z]{16}$/i

const HALF_LENGTH = 32
/** What stands before 32 raw octets of an X25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410). */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex')

const BOX_VERSION = 1
const CIPHER = 'aes-256-gcm'
const KEY_LENGTH = 32
const NONCE_LENGTH = 12
const TAG_LENGTH = 16
/** Passwords are filled up to multiples of this, so that the store does not tell how long one is. */
const PADDED_TO = 256
const LENGTH_OF_LENGTH = 2

/** Whose box it is: one that was moved to another user or another app password does not open. */
export type Bound = { user: string; id: string }
export type KeyPair = { privateKey: KeyObject; publicHalf: Buffer }

/** Makes sixteen letters, each equally likely (`randomInt` throws away what would favour some). */
export function makeAppPassword(): Secret {
  const letters = Array.from({ length: LETTERS }, () => ALPHABET.charAt(randomInt(ALPHABET.length)))
  return new Secret(Buffer.from(letters.join('')))
}

/** Gives the letters as they are shown: in four groups. Spaces and dashes do not count when they are typed. */
export function groupsOf(letters: Secret): string {
  const text = reveal(letters).toString('latin1')
  return [0, 1, 2, 3].map((group) => text.slice(group * GROUP, (group + 1) * GROUP)).join(' ')
}

/** Gives the letters of what was typed, or null for what has not the form of an app password. */
export function readAppPassword(typed: Buffer): Secret | null {
  if (typed.length > APP_PASSWORD_TYPED_MAX) return null
  const text = typed.toString('latin1').replaceAll(/[ -]/g, '')
  return FORM.test(text) ? new Secret(Buffer.from(text.toLowerCase())) : null
}

/** Gives the key pair of some letters of a user. The user is in it, so that the same letters of two users are two keys. */
export function keyPairOf(user: string, letters: Secret): KeyPair {
  const seed = Buffer.from(hkdfSync('sha256', reveal(letters), user, 'postern 1 app-password key pair', HALF_LENGTH))
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, seed]), format: 'der', type: 'pkcs8' })
  return { privateKey, publicHalf: rawOf(createPublicKey(privateKey)) }
}

/** Seals a mailbox password to a public half, under a key of one use: who seals cannot open it again. */
export function sealBox(publicHalf: Buffer, bound: Bound, password: Secret): Buffer {
  const once = generateKeyPairSync('x25519')
  const onceHalf = rawOf(once.publicKey)
  const theirs = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, publicHalf]), format: 'der', type: 'spki' })
  const shared = diffieHellman({ privateKey: once.privateKey, publicKey: theirs })
  const { key, nonce } = keyOf(shared, onceHalf, publicHalf)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_LENGTH }).setAAD(boundTo(bound))
  const body = Buffer.concat([cipher.update(padded(reveal(password))), cipher.final()])
  return Buffer.concat([Buffer.from([BOX_VERSION]), onceHalf, body, cipher.getAuthTag()])
}

/** Throws when the box was altered, cut, or sealed to another key, user or app password. */
export function openBox({ privateKey, publicHalf }: KeyPair, bound: Bound, box: Buffer): Secret {
  const bodyAt = 1 + HALF_LENGTH
  const tagAt = box.length - TAG_LENGTH
  if (box[0] !== BOX_VERSION || tagAt < bodyAt) throw new Error('not a sealed mailbox password')
  const onceHalf = box.subarray(1, bodyAt)
  const theirs = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, onceHalf]), format: 'der', type: 'spki' })
  const { key, nonce } = keyOf(diffieHellman({ privateKey, publicKey: theirs }), onceHalf, publicHalf)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_LENGTH })
  decipher.setAAD(boundTo(bound)).setAuthTag(box.subarray(tagAt))
  const plain = Buffer.concat([decipher.update(box.subarray(bodyAt, tagAt)), decipher.final()])
  return new Secret(plain.subarray(LENGTH_OF_LENGTH, LENGTH_OF_LENGTH + plain.readUInt16BE()))
}

/** Both halves go into the key (RFC 7748 section 6.1 advises it). The nonce may be derived: no key seals twice. */
function keyOf(shared: Buffer, onceHalf: Buffer, publicHalf: Buffer): { key: Buffer; nonce: Buffer } {
  const salt = Buffer.concat([onceHalf, publicHalf])
  const bytes = Buffer.from(hkdfSync('sha256', shared, salt, 'postern 1 app-password box', KEY_LENGTH + NONCE_LENGTH))
  return { key: bytes.subarray(0, KEY_LENGTH), nonce: bytes.subarray(KEY_LENGTH) }
}

/** No name of a user holds a space. */
function boundTo({ user, id }: Bound): Buffer {
  return Buffer.from(`app-password box ${BOX_VERSION} ${user} ${id}`)
}

function padded(password: Buffer): Buffer {
  const plain = Buffer.alloc(Math.ceil((LENGTH_OF_LENGTH + password.length) / PADDED_TO) * PADDED_TO)
  plain.writeUInt16BE(password.length)
  password.copy(plain, LENGTH_OF_LENGTH)
  return plain
}

function rawOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(PUBLIC_HEAD.length)
}
