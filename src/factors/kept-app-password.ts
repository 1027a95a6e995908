/**
 * App passwords as the store keeps them. Each row holds, all under the master key: an HMAC of the public half, by which
 * the row of what was typed is found without trying every one; the public half; and the box with the mailbox password.
 *
 * What a thief has with the store alone: nothing to test a guess on. With the store and the master key: the public half,
 * on which he may test guesses at the price of one X25519 each, out of 2^75; the HMAC over the public half makes none of
 * them cheaper, as it can only be asked with a public half.
 */
import { contains, parseAddress, parseRange } from '../base/ip.ts'
import { reveal, Secret } from '../base/secret.ts'
import type { Keyring } from '../state/secrets.ts'
import type { AppPassword, Resealed } from '../state/store.ts'
import { keyPairOf, openBox, readAppPassword, sealBox, type Bound, type KeyPair } from './app-password.ts'
import { sameBytes } from './same-bytes.ts'

/** The app password that was typed. Nothing is opened yet. */
export type FoundAppPassword = {
  row: AppPassword
  keyPair: KeyPair
  /** `elsewhere`: not from this network. */
  at: 'good' | 'pending' | 'expired' | 'elsewhere'
}

/** What of a row its letters give. */
export type Lockers = Pick<AppPassword, 'id' | 'lookup' | 'sealedPublic'>

/** What of a row is no secret. */
export type PlainAppPassword = Pick<AppPassword, 'networks' | 'learnt' | 'expires'> & { isSealed: boolean }

const publicOf = ({ user, id }: Bound) => `${user} ${id} public`
const boxOf = ({ user, id }: Bound) => `${user} ${id} box`

/** Gives what is kept of the letters of a new app password. */
export function lockersOf(keys: Keyring, bound: Bound, letters: Secret): Lockers & { publicHalf: Buffer } {
  const { publicHalf } = keyPairOf(bound.user, letters)
  return {
    id: bound.id,
    lookup: keys.mac('app-password', bound.user, publicHalf),
    sealedPublic: keys.seal('app-password', publicOf(bound), new Secret(publicHalf)),
    publicHalf,
  }
}

/**
 * Finds the app password that was typed, or null: then the string is read in other ways. What it costs depends on the form
 * of the string alone, which its sender knows: keys are derived and every row is looked at for users without any, too.
 */
export function findAppPassword(
  keys: Keyring,
  typed: { user: string; secret: Buffer; ip: string },
  rows: readonly AppPassword[],
  now: number,
): FoundAppPassword | null {
  const letters = readAppPassword(typed.secret)
  if (letters === null) return null
  const keyPair = keyPairOf(typed.user, letters)
  const lookup = keys.mac('app-password', typed.user, keyPair.publicHalf)
  const row = rows.filter((one) => sameBytes(one.lookup, lookup)).at(0)
  return row === undefined
    ? null
    : { row, keyPair, at: stateFrom({ ...row, isSealed: row.sealed !== null }, typed.ip, now) }
}

/** Gives how an app password stands from an address. Networks come before the box: a stolen one opens nothing from elsewhere. */
export function stateFrom(row: PlainAppPassword, ip: string, now: number): FoundAppPassword['at'] {
  if (row.expires !== null && now >= row.expires) return 'expired'
  if (!isFrom(row, ip)) return 'elsewhere'
  return row.isSealed ? 'good' : 'pending'
}

/** `learn` takes every network as long as none was learnt. */
function isFrom({ networks, learnt }: PlainAppPassword, ip: string): boolean {
  if (networks === 'any') return true
  const address = parseAddress(ip)
  if (address === null) return false
  const allowed = networks === 'learn' ? (learnt === null ? null : [learnt]) : networks.split(',')
  return (
    allowed === null ||
    allowed.some((text) => {
      const range = parseRange(text)
      return range.ok && contains(range.value, address)
    })
  )
}

/** Gives the mailbox password. Throws when the row was altered. */
export function openAppPassword(keys: Keyring, user: string, { row, keyPair }: FoundAppPassword): Buffer {
  const bound = { user, id: row.id }
  if (row.sealed === null) throw new Error('a pending app password holds nothing')
  return Buffer.from(reveal(openBox(keyPair, bound, reveal(keys.open('app-password', boxOf(bound), row.sealed)))))
}

/** Seals a mailbox password for one app password. */
export function sealFor(keys: Keyring, bound: Bound, publicHalf: Buffer, password: Secret): Buffer {
  return keys.seal('app-password', boxOf(bound), new Secret(sealBox(publicHalf, bound, password)))
}

/** Seals the mailbox password that was just proven anew for all app passwords of its user. Throws when a row was altered. */
export function sealAnew(keys: Keyring, user: string, rows: readonly AppPassword[], password: Secret): Resealed[] {
  return rows.map(({ id, sealedPublic }) => {
    const publicHalf = reveal(keys.open('app-password', publicOf({ user, id }), sealedPublic))
    return { id, sealed: sealFor(keys, { user, id }, publicHalf, password) }
  })
}
