/** Waits until `true`, asking every 50 ms for at most `ms`; throws with `what` when that has passed. */
export async function until(what: string, ms: number, ask: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + ms
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${String(ms)} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
