/** A wait took longer than it may. `what` names the wait in the words of the log. */
class DeadlineError extends Error {
  readonly what: string
  constructor(what: string) {
    super(`${what}: deadline passed`)
    this.what = what
    this.name = 'DeadlineError'
  }
}

/**
 * Gives what `wait` gives, or throws an error that names `what` after `ms` milliseconds.
 * The caller cleans up what it waited for: a promise cannot be taken back.
 */
export function within<T>(ms: number, what: string, wait: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new DeadlineError(what))
    }, ms)
    void wait.then(resolve, reject).finally(() => {
      clearTimeout(timer)
    })
  })
}
