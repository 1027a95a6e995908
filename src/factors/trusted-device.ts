/**
 * A trusted device goes on with the string it logged in with, so that a mail program may poll with what it has stored.
 * A device is where it is (network) and what it is (stable TLS fingerprint); neither alone is a secret, so trust is worth
 * something only together with the very string that was proven from there.
 */
import { networkOf, parseAddress } from '../base/ip.ts'
import { sameBytes } from './same-bytes.ts'
import type { Keyring } from '../state/secrets.ts'
import type { Dossier, Trusted } from '../state/store.ts'

/** What of `trusted_device` of login.yaml says what a device is. */
export type DeviceRules = {
  same_network: { ipv4: number; ipv6: number }
  same_client: boolean
}

/** And how long it is trusted, in milliseconds; `for` is null when every login needs a code. */
export type TrustRules = DeviceRules & {
  for: number | null
  idle: number | null
  accept: 'repeated' | 'repeated_or_bare'
}

/** `fingerprint` is empty where the policy does not look at it. */
export type Device = { id: string; network: string; fingerprint: string; trustable: boolean }

const ID_LENGTH = 12

/**
 * Needs the user, the address, the stable fingerprint and the connection's id. A client without a fingerprint is never
 * trusted where fingerprints count, or all such clients of a network would be one device: it is a device of its own.
 * Throws for what is no address.
 */
export function identifyDevice(
  keys: Keyring,
  rules: DeviceRules,
  at: { user: string; ip: string; client: string; session: string },
): Device {
  const address = parseAddress(at.ip)
  if (address === null) throw new Error('a connection without an address')
  const network = networkOf(address, rules.same_network)
  const trustable = !rules.same_client || at.client !== ''
  const fingerprint = rules.same_client ? at.client : ''
  const id = keys.mac('device', at.user, network, fingerprint, trustable ? '' : at.session)
  return { id: id.subarray(0, ID_LENGTH).toString('hex'), network, fingerprint, trustable }
}

/**
 * `repeat`: this device may go on with this string. `expired`: it could once. `elsewhere`: the string, and so its code,
 * was used from another device, or trust is off by now. `bare`: what was typed is the password alone, without a code.
 */
export type TrustFinding =
  { at: 'repeat'; trusted: Trusted; bare: boolean } | { at: 'expired' } | { at: 'elsewhere' } | { at: 'unknown' }

/** Needs the HMACs of what was typed, as a whole string and as a bare password (null where the rules let none of those repeat). Looks at every row of the user, found or not. */
export function findTrust(
  dossier: Pick<Dossier, 'trusted'>,
  device: Device,
  typed: { mac: Buffer; bareMac: Buffer | null },
  rules: TrustRules,
  now: number,
): TrustFinding {
  const whole = dossier.trusted.filter((row) => sameBytes(row.mac, typed.mac))
  const here = whole.find((row) => row.device === device.id)
  if (here !== undefined && rules.for !== null && device.trustable) {
    return isLive(here, rules, now) ? { at: 'repeat', trusted: here, bare: false } : { at: 'expired' }
  }
  if (whole.length > 0) return { at: 'elsewhere' }
  const { bareMac } = typed
  if (bareMac === null || rules.for === null || !letsBareRepeat(rules)) return { at: 'unknown' }
  const bare = dossier.trusted.filter(
    (row) => row.device === device.id && row.bareMac !== null && sameBytes(row.bareMac, bareMac),
  )
  if (bare.length === 0) return { at: 'unknown' }
  const live = bare.find((row) => isLive(row, rules, now))
  return live === undefined ? { at: 'expired' } : { at: 'repeat', trusted: live, bare: true }
}

/** Tells whether a device may go on with the password alone, so that an HMAC of it is wanted. */
export function letsBareRepeat({ accept }: Pick<TrustRules, 'accept'>): boolean {
  return accept === 'repeated_or_bare'
}

/** A shorter `for` in the policy counts at once; a longer one does not prolong what was given. */
export function isLive(row: Trusted, rules: TrustRules, now: number): boolean {
  if (rules.for === null || now >= Math.min(row.expires, row.since + rules.for)) return false
  return rules.idle === null || now - row.lastUsed < rules.idle
}

/** Gives the row to keep for a string that was proven with a fresh code, or null where nothing is to be trusted. */
export function trustFor(
  device: Device,
  proven: { mac: Buffer; bareMac: Buffer | null },
  rules: TrustRules,
  now: number,
): Trusted | null {
  if (rules.for === null || !device.trustable) return null
  return {
    device: device.id,
    mac: proven.mac,
    bareMac: letsBareRepeat(rules) ? proven.bareMac : null,
    network: device.network,
    fingerprint: device.fingerprint,
    since: now,
    lastUsed: now,
    expires: now + rules.for,
  }
}
