/** How long a process holds its own loop: the most processor time that one turn took. Other processes' load does not count. */
export type Meter = { longest(): number }

/** Starts to watch; `longest` stops and gives milliseconds. */
export function watchTurns(): Meter {
  const now = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let last = now()
  let most = 0
  let over = false
  const turn = () => {
    const at = now()
    most = Math.max(most, at - last)
    last = at
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  return {
    longest() {
      over = true
      return Math.max(most, now() - last)
    },
  }
}
