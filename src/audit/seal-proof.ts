/**
 * What a seal is proven by, with the anchor alone. The keys hang in a tree of {@link SEAL_LEVELS} levels, each node with
 * {@link SEAL_FAN} Ed25519 keys (RFC 8032) under a Merkle root (hashed as in RFC 6962). The anchor is the root of the top node. Each key
 * of an upper level signs the root of one node below and is erased; each key of the lowest level signs the seals of one interval and is
 * erased. So whoever takes today's keys finds none of a past interval, and needs to be trusted for none.
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto'
import { SEAL_FAN, SEAL_LEVELS } from '../base/audit-limits.ts'
import type { Seal, Stream } from './events.ts'

export const KEY_LENGTH = 32
export const SIGNATURE_LENGTH = 64
const HASH_LENGTH = 32
const PATH_LENGTH = Math.log2(SEAL_FAN) * HASH_LENGTH
const STEP_LENGTH = KEY_LENGTH + PATH_LENGTH + SIGNATURE_LENGTH
/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), up to its 32 octets. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** Gives the Merkle root over public keys, and for each key the hashes that lead from it to the root. */
export function merkle(keys: readonly Buffer[]): { root: Buffer; path(index: number): Buffer } {
  const rows: Buffer[][] = [keys.map(leafHash)]
  for (let row = rows[0] ?? []; row.length > 1; row = rows.at(-1) ?? []) {
    rows.push(row.filter((_, i) => i % 2 === 0).map((left, i) => innerHash(left, row[2 * i + 1] ?? left)))
  }
  return {
    root: rows.at(-1)?.[0] ?? Buffer.alloc(HASH_LENGTH),
    path: (index) => Buffer.concat(rows.slice(0, -1).map((row, level) => row[(index >> level) ^ 1] ?? Buffer.alloc(0))),
  }
}

function rootFrom(key: Buffer, path: Buffer, index: number): Buffer {
  let node = leafHash(key)
  for (let level = 0; level * HASH_LENGTH < path.length; level++) {
    const beside = path.subarray(level * HASH_LENGTH, (level + 1) * HASH_LENGTH)
    node = (index >> level) & 1 ? innerHash(beside, node) : innerHash(node, beside)
  }
  return node
}

const leafHash = (key: Buffer) => hash('sha256', Buffer.concat([Buffer.of(0), key]), 'buffer')
const innerHash = (left: Buffer, right: Buffer) => hash('sha256', Buffer.concat([Buffer.of(1), left, right]), 'buffer')

/** Gives the short name of an anchor, which lines carry: 16 hex digits. */
export function anchorId(anchor: Buffer): string {
  return hash('sha256', anchor, 'hex').slice(0, 16)
}

/** Which key of each level an interval belongs to, top first. */
function placesOf(interval: number): number[] {
  return Array.from({ length: SEAL_LEVELS }, (_, level) => {
    return Math.floor(interval / SEAL_FAN ** (SEAL_LEVELS - 1 - level)) % SEAL_FAN
  })
}

/** What a key of an upper level signs: that `root` is the node of that number on the level below. */
export function keysStatement(anchor: string, level: number, number: number, root: Buffer): Buffer {
  return Buffer.from(`postern audit keys 1\n${anchor}\n${level}\n${number}\n${root.toString('hex')}\n`)
}

/** What a seal says. `seq` is the number of the line that carries it, `prev` the hash of the line before, `at` its `@timestamp`. */
export type Sealed = { stream: Stream; seq: number; prev: string; at: string }

/** What the key of an interval signs. */
export function sealStatement(anchor: string, interval: number, { stream, seq, prev, at }: Sealed): Buffer {
  return Buffer.from(`postern audit seal 1\n${anchor}\n${interval}\n${stream}\n${seq}\n${prev}\n${at}\n`)
}

function publicKey(key: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' })
}

function isSigned(statement: Buffer, key: Buffer, signature: Buffer): boolean {
  try {
    return verify(null, statement, publicKey(key), signature)
  } catch {
    return false
  }
}

/** Gives null when the seal holds, or the end of a sentence that begins with "this seal". */
export type SealCheck = (seal: Seal, sealed: Sealed) => string | null

/** What is said of a seal whose certificate stands further up than the lines that are at hand. */
export const NO_CERTIFICATE = 'has no certificate, and no line before it has it either'

/** Needs the anchors that are trusted. Certificates that were proven are kept, for the seals behind that leave them out. */
export function createSealCheck(anchors: readonly Buffer[]): SealCheck {
  const trusted = new Map(anchors.map((anchor) => [anchorId(anchor), anchor]))
  const proven = new Map<string, Buffer>()
  return (seal, sealed) => {
    if (Number(seal.version) !== 1)
      return `is of the unknown version ${String(seal.version)}: verify with a newer Postern`
    const anchor = trusted.get(seal.anchor)
    if (anchor === undefined) return `hangs on the anchor ${seal.anchor}, which is not among those that are trusted`
    const { interval } = seal
    if (!Number.isSafeInteger(interval) || interval < 0 || interval >= SEAL_FAN ** SEAL_LEVELS) return 'has no interval'
    const [key, path, signature] = [octets(seal.key), octets(seal.path), octets(seal.signature)]
    if (key.length !== KEY_LENGTH || path.length !== PATH_LENGTH) return 'has no key of ours'
    const root = rootFrom(key, path, interval % SEAL_FAN)
    const node = `${seal.anchor} ${Math.floor(interval / SEAL_FAN)}`
    if (seal.certificate !== undefined && !isCertified(octets(seal.certificate), anchor, seal, root))
      return 'has a certificate that does not lead from the anchor to its key'
    if (seal.certificate !== undefined) proven.set(node, root)
    const known = proven.get(node)
    if (known === undefined) return NO_CERTIFICATE
    if (!known.equals(root)) return 'has a key that is not of its interval'
    if (!isSigned(sealStatement(seal.anchor, interval, sealed), key, signature))
      return 'was not made for what stands before it'
    return null
  }
}

function octets(text: unknown): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'base64url') : Buffer.alloc(0)
}

/** Walks from the anchor down: each key must hang under the root that the key above has signed. */
function isCertified(certificate: Buffer, anchor: Buffer, { anchor: id, interval }: Seal, lowest: Buffer): boolean {
  if (certificate.length !== STEP_LENGTH * (SEAL_LEVELS - 1)) return false
  const places = placesOf(interval)
  const steps = places.slice(0, -1).map((place, level) => {
    const step = certificate.subarray(level * STEP_LENGTH, (level + 1) * STEP_LENGTH)
    const key = step.subarray(0, KEY_LENGTH)
    const path = step.subarray(KEY_LENGTH, KEY_LENGTH + PATH_LENGTH)
    return { key, root: rootFrom(key, path, place), signature: step.subarray(KEY_LENGTH + PATH_LENGTH) }
  })
  return steps.every(({ key, root, signature }, level) => {
    const below = steps[level + 1]?.root ?? lowest
    const number = Math.floor(interval / SEAL_FAN ** (SEAL_LEVELS - 1 - level))
    return (level > 0 || root.equals(anchor)) && isSigned(keysStatement(id, level, number, below), key, signature)
  })
}
