/** What a proven login leaves behind: trust, the last logins, the networks. Called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import {
  LAST_USED_AGAIN_MS,
  LOGINS_PER_USER,
  NETWORKS_PER_USER_MAX,
  TRUST_KEPT_AFTER_END_MS,
  TRUSTED_PER_DEVICE_MAX,
  TRUSTED_PER_USER_MAX,
} from '../base/login-limits.ts'
import { blob, blobOrNull, text, whole, type Row } from './rows.ts'
import { prepareAmends, prepareForgetting } from './sqlite-proven.ts'
import type { Factor } from '../audit/events.ts'
import type { AppPasswords } from './sqlite-app-passwords.ts'
import type { Claims } from './sqlite-claims.ts'
import type { Login, Proof, ProofAnswer, Trusted } from './store.ts'

export type Logins = {
  prove(proof: Proof, at: number): ProofAnswer
  trusted(user: string): Trusted[]
  last(user: string): Login[]
  provenSince(at: number): { ip: string; at: number }[]
}

/** Needs a migrated database, and the claims and app passwords in it. */
export function prepareLogins(db: DatabaseSync, claims: Claims, appPasswords: AppPasswords): Logins {
  const user = db.prepare('SELECT enrolment, frozen_at FROM users WHERE name = ?')
  const trusted = db.prepare('SELECT * FROM trusted WHERE user = ? ORDER BY last_used DESC')
  const last = db.prepare('SELECT at, ip, factor, listener FROM logins WHERE user = ? ORDER BY id DESC LIMIT ?')
  const since = db.prepare('SELECT ip, max(at) AS last FROM logins WHERE at > ? GROUP BY ip ORDER BY last')
  const standing = db.prepare('SELECT last_used FROM trusted WHERE user = ? AND device = ? AND mac = ?')
  const refresh = db.prepare('UPDATE trusted SET last_used = ? WHERE user = ? AND device = ? AND mac = ?')
  const keep = prepareKeeping(db)
  const amends = prepareAmends(db)

  /** Gives false when the trust is gone. Idle limits are minutes at least: the last use needs no finer measure than one. */
  function used(name: string, { device, mac }: { device: string; mac: Buffer }, at: number): boolean {
    const row = standing.get(name, device, mac)
    if (row === undefined) return false
    if (at - whole(row, 'last_used') >= LAST_USED_AGAIN_MS) refresh.run(at, name, device, mac)
    return true
  }

  function prove(proof: Proof, at: number): ProofAnswer {
    const found = user.get(proof.user)
    const enrolment = found === undefined ? null : found['enrolment']
    if (enrolment !== proof.enrolment || (found !== undefined && found['frozen_at'] !== null)) return { say: 'void' }
    if (proof.by.is === 'code' && !claims.prove(proof.by.claim, at)) return { say: 'void' }
    if (proof.by.is === 'repeat' && !used(proof.user, proof.by, at)) return { say: 'void' }
    if (proof.by.is === 'app-password' && !appPasswords.use(proof.user, proof.by, proof.network, at))
      return { say: 'void' }
    appPasswords.reseal(proof.user, proof.resealed ?? [], at)
    const deviceIsNew = proof.trust !== null && keep.trust(proof.user, proof.trust, at)
    keep.login(proof.user, proof.login)
    keep.network(proof.user, proof.network, at)
    amends.proven(proof, at)
    return { say: 'recorded', deviceIsNew }
  }

  return {
    prove,
    trusted: (name) => trusted.all(name).map(readTrusted),
    provenSince: (at) => since.all(at).map((row) => ({ ip: text(row, 'ip'), at: whole(row, 'last') })),
    last: (name) => last.all(name, LOGINS_PER_USER).map(readLogin),
  }
}

function prepareKeeping(db: DatabaseSync) {
  const ofUser = db.prepare(
    'SELECT count(*) AS number, coalesce(max(device = ?2 AND expires > ?3), 0) AS live FROM trusted WHERE user = ?1',
  )
  const trust = db.prepare('INSERT OR REPLACE INTO trusted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const pruneTrust = db.prepare('DELETE FROM trusted WHERE user = ? AND expires < ?')
  const trimTrust = db.prepare(
    `DELETE FROM trusted WHERE user = ?1 AND (device, mac) IN (SELECT device, mac FROM (
       SELECT device, mac, row_number() OVER (ORDER BY last_used DESC, since DESC) AS nth,
         row_number() OVER (PARTITION BY device ORDER BY last_used DESC, since DESC) AS nth_of_device
       FROM trusted WHERE user = ?1) WHERE nth > ?2 OR nth_of_device > ?3)`,
  )
  const login = db.prepare('INSERT INTO logins (user, at, ip, factor, listener) VALUES (?, ?, ?, ?, ?)')
  const trimLogins = db.prepare(
    'DELETE FROM logins WHERE user = ?1 AND id <= (SELECT id FROM logins WHERE user = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)',
  )
  const seenAgain = db.prepare('UPDATE networks SET last = ?3 WHERE user = ?1 AND network = ?2')
  const network = db.prepare('INSERT INTO networks (user, network, last) VALUES (?, ?, ?)')
  const forgetting = prepareForgetting(db, 'networks', 'network', NETWORKS_PER_USER_MAX)
  return {
    /** Gives whether the device had no trust that still runs. */
    trust(user: string, row: Trusted, at: number): boolean {
      const before = ofUser.get(user, row.device, at) ?? {}
      const { device, mac, bareMac, network, fingerprint, since, lastUsed, expires } = row
      trust.run(user, device, mac, bareMac, network, fingerprint, since, lastUsed, expires)
      const others = whole(before, 'number')
      if (others > 0) pruneTrust.run(user, at - TRUST_KEPT_AFTER_END_MS)
      if (others >= TRUSTED_PER_DEVICE_MAX) trimTrust.run(user, TRUSTED_PER_USER_MAX, TRUSTED_PER_DEVICE_MAX)
      return whole(before, 'live') === 0
    },
    login(user: string, { at, ip, factor, listener }: Login): void {
      login.run(user, at, ip, factor, listener)
      trimLogins.run(user, LOGINS_PER_USER)
    },
    network(user: string, name: string, at: number): void {
      const isNew = seenAgain.run(user, name, at).changes === 0
      if (isNew) network.run(user, name, at)
      forgetting.old(user, at)
      if (isNew) forgetting.surplus(user)
    },
  }
}

function readTrusted(row: Row): Trusted {
  return {
    device: text(row, 'device'),
    mac: blob(row, 'mac'),
    bareMac: blobOrNull(row, 'bare_mac'),
    network: text(row, 'network'),
    fingerprint: text(row, 'fingerprint'),
    since: whole(row, 'since'),
    lastUsed: whole(row, 'last_used'),
    expires: whole(row, 'expires'),
  }
}

function readLogin(row: Row): Login {
  return {
    at: whole(row, 'at'),
    ip: text(row, 'ip'),
    factor: text(row, 'factor') as Factor,
    listener: text(row, 'listener'),
  }
}
