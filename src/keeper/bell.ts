/** Waiting for something to do, or for time to pass. */

export type Bell = {
  /** Wakes who waits; with nobody waiting, the next wait is over at once. */
  ring(): void
  /** Waits for the bell, at most so many ms. */
  wait(ms: number): Promise<void>
  /** Waits so many ms, whatever rings. */
  pause(ms: number): Promise<void>
}

/** For one that waits. Its timers keep no process alive. */
export function createBell(): Bell {
  let rung = false
  let wake: (() => void) | null = null
  return {
    ring() {
      rung = true
      wake?.()
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(awake, Math.max(0, ms)).unref()
        function awake() {
          clearTimeout(timer)
          wake = null
          rung = false
          resolve()
        }
        if (rung) awake()
        else wake = awake
      }),
    pause: (ms) => new Promise((resolve) => void setTimeout(resolve, ms).unref()),
  }
}
