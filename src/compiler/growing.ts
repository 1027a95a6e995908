/** A row of unsigned 32-bit numbers that grows: a plain array of millions takes eight times the memory. */
export type Growing = {
  push(value: number): void
  length(): number
  /** Gives what is in it, in an array of just that size. */
  taken(): Uint32Array<ArrayBuffer>
}

/** Gives an empty one. */
export function growing(): Growing {
  let values = new Uint32Array(1_024)
  let used = 0
  return {
    push(value) {
      if (used === values.length) {
        const wider = new Uint32Array(used * 2)
        wider.set(values)
        values = wider
      }
      values[used++] = value
    },
    length: () => used,
    taken: () => values.slice(0, used),
  }
}
