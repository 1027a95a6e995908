/**
 * The store or a file beside it cannot do what was asked. `message` is fit for an operator: it says what to do and
 * holds no secret. Whoever meets one refuses with `[SYS/TEMP]`; nothing is waved through.
 */
export class StateFault extends Error {
  override readonly name = 'StateFault'
  readonly kind: StateFaultKind
  constructor(kind: StateFaultKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** `key`: the master key is missing, malformed or another one. `crowded`: too much waits for the disk. */
export type StateFaultKind = 'busy' | 'full' | 'disk' | 'corrupt' | 'version' | 'key' | 'locked' | 'crowded' | 'closed'
