/** The keys that sign the seals: made, used for one interval, erased. `seal-proof.ts` says how they hang together. */
import { createPrivateKey, createPublicKey, hkdfSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { SEAL_FAN, SEAL_LEVELS } from '../base/audit-limits.ts'
import type { Seal } from './events.ts'
import {
  anchorId,
  KEY_LENGTH,
  keysStatement,
  merkle,
  sealStatement,
  SIGNATURE_LENGTH,
  type Sealed,
} from './seal-proof.ts'

const SEED_LENGTH = 32
/** PKCS #8 of an Ed25519 key (RFC 8410), up to its 32 octets. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** `seed` gives the key of number `next` and those behind it, and none before. `signature`: of the key above, under this node's root. */
type Node = { next: number; seed: Buffer; signature: Buffer; keys: Buffer[] }

/** The tree along the present interval, top first. */
export type SealKeys = { anchor: Buffer; nodes: Node[] }

/** Makes a tree with a new anchor. It lasts for 64^4 intervals: 32 years with one a minute. */
export function makeKeys(): SealKeys {
  const top = makeNode()
  const keys: SealKeys = { anchor: merkle(top.keys).root, nodes: [top] }
  for (let level = 1; level < SEAL_LEVELS; level++) plant(keys, level)
  return keys
}

/** Gives the number of the present interval, from 0. */
export function intervalOf({ nodes }: SealKeys): number {
  return nodes.reduce((sum, { next }, level) => sum * SEAL_FAN + next - (level < SEAL_LEVELS - 1 ? 1 : 0), 0)
}

/** Signs with the key of the present interval; `certified` adds the way from the anchor to it. */
export function makeSeal(keys: SealKeys, sealed: Sealed, certified: boolean): Seal {
  const node = nodeAt(keys, SEAL_LEVELS - 1)
  const interval = intervalOf(keys)
  const anchor = anchorId(keys.anchor)
  const text = (bytes: Buffer) => bytes.toString('base64url')
  return {
    version: 1,
    anchor,
    interval,
    key: text(keyAt(node, node.next)),
    path: text(merkle(node.keys).path(node.next)),
    signature: text(sign(null, sealStatement(anchor, interval, sealed), privateKey(node.seed))),
    ...(certified ? { certificate: text(certificateOf(keys)) } : {}),
  }
}

/** Goes on to the next interval. The seed that gave the key of this one is overwritten; nothing that stays gives it. */
export function evolve(keys: SealKeys): void {
  const node = nodeAt(keys, SEAL_LEVELS - 1)
  step(node)
  if (node.next === SEAL_FAN) plant(keys, SEAL_LEVELS - 1)
}

/** Overwrites what is secret. */
export function forget(keys: SealKeys): void {
  for (const { seed } of keys.nodes) seed.fill(0)
}

/** Puts a fresh node under the next key of the level above, which signs it and is gone then. */
function plant(keys: SealKeys, level: number): void {
  if (nodeAt(keys, level - 1).next === SEAL_FAN) {
    if (level === 1)
      throw new Error('the sealing keys are used up: move the file of the sealing keys out of the state folder')
    plant(keys, level - 1)
  }
  const above = nodeAt(keys, level - 1)
  const fresh = makeNode()
  const key = privateKey(above.seed)
  step(above)
  const number = keys.nodes.slice(0, level).reduce((sum, { next }) => sum * SEAL_FAN + next - 1, 0)
  fresh.signature = sign(null, keysStatement(anchorId(keys.anchor), level - 1, number, merkle(fresh.keys).root), key)
  keys.nodes[level] = fresh
}

function certificateOf({ nodes }: SealKeys): Buffer {
  return Buffer.concat(
    nodes.slice(0, -1).flatMap((node, level) => {
      const used = node.next - 1
      return [keyAt(node, used), merkle(node.keys).path(used), nodes[level + 1]?.signature ?? Buffer.alloc(0)]
    }),
  )
}

function makeNode(): Node {
  const seed = randomBytes(SEED_LENGTH)
  const walker: Node = { next: 0, seed: Buffer.from(seed), signature: Buffer.alloc(SIGNATURE_LENGTH), keys: [] }
  for (; walker.next < SEAL_FAN; step(walker)) {
    const spki = createPublicKey(privateKey(walker.seed)).export({ format: 'der', type: 'spki' })
    walker.keys.push(spki.subarray(-KEY_LENGTH))
  }
  return { ...walker, next: 0, seed }
}

function step(node: Node): void {
  const next = derive(node.seed, 'next')
  next.copy(node.seed)
  next.fill(0)
  node.next++
}

function privateKey(seed: Buffer): KeyObject {
  const secret = derive(seed, 'key')
  const der = Buffer.concat([PKCS8, secret])
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
    secret.fill(0)
  }
}

function derive(seed: Buffer, what: 'key' | 'next'): Buffer {
  return Buffer.from(hkdfSync('sha256', seed, '', `postern audit ${what}`, SEED_LENGTH))
}

function nodeAt({ nodes }: SealKeys, level: number): Node {
  const node = nodes[level]
  if (node === undefined) throw new Error('the sealing keys are not whole')
  return node
}

function keyAt({ keys }: Node, index: number): Buffer {
  return keys[index] ?? Buffer.alloc(0)
}

const NODE_LENGTH = 1 + SEED_LENGTH + SIGNATURE_LENGTH + SEAL_FAN * KEY_LENGTH
const PACKED_LENGTH = KEY_LENGTH + SEAL_LEVELS * NODE_LENGTH

/** Gives the keys as octets, secrets in them: to be sealed, and overwritten then. */
export function packKeys({ anchor, nodes }: SealKeys): Buffer {
  const parts = nodes.flatMap(({ next, seed, signature, keys }) => [Buffer.of(next), seed, signature, ...keys])
  return Buffer.concat([anchor, ...parts])
}

/** Reads what {@link packKeys} gave, into memory of its own. Throws when it is something else. */
export function unpackKeys(packed: Buffer): SealKeys {
  if (packed.length !== PACKED_LENGTH) throw new Error('these are no sealing keys of this version')
  const bytes = Buffer.from(packed)
  const nodes = Array.from({ length: SEAL_LEVELS }, (_, level): Node => {
    const node = bytes.subarray(KEY_LENGTH + level * NODE_LENGTH, KEY_LENGTH + (level + 1) * NODE_LENGTH)
    const keysAt = 1 + SEED_LENGTH + SIGNATURE_LENGTH
    return {
      next: node.readUInt8(0),
      seed: node.subarray(1, 1 + SEED_LENGTH),
      signature: node.subarray(1 + SEED_LENGTH, keysAt),
      keys: Array.from({ length: SEAL_FAN }, (_, i) =>
        node.subarray(keysAt + i * KEY_LENGTH, keysAt + (i + 1) * KEY_LENGTH),
      ),
    }
  })
  return { anchor: bytes.subarray(0, KEY_LENGTH), nodes }
}
