/** Where a part asks for the time. Tests hand in their own, so that no test waits. */
export type Clock = {
  /** Wall time, milliseconds since 1970: for codes, expiry and audit lines. */
  now(): number
  /** Milliseconds that never run backwards: for deadlines and durations. */
  monotonic(): number
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
