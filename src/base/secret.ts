import { inspect } from 'node:util'

const hidden = new WeakMap<Secret, Buffer>()

/**
 * Bytes that must never be printed: a password, a code, a seed. Every way of printing it gives `[secret]`;
 * the bytes come out through {@link reveal} alone, so that a search for that name finds every use.
 */
export class Secret {
  /** Needs the secret bytes; keeps a reference, not a copy. */
  constructor(bytes: Buffer) {
    hidden.set(this, bytes)
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}

/** Gives the bytes of a secret. */
export function reveal(secret: Secret): Buffer {
  const bytes = hidden.get(secret)
  if (bytes === undefined) throw new Error('not a secret made here')
  return bytes
}
