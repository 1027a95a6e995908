import type { Running } from '../support/house.ts'
import type { OldServer } from './old-server.ts'
import { freePort, greets, until } from '../support/ports.ts'

const START_MS = 20_000
const TRIES = 3

/** Starts a server on a free port and waits for its greeting; another port when that one was taken meanwhile. */
export async function awake(name: string, start: (port: number) => Promise<Running>): ReturnType<OldServer['start']> {
  for (let left = TRIES; ; left -= 1) {
    const port = await freePort()
    const running = await start(port)
    let ended = false
    void running.ended.then(() => (ended = true))
    await until(`${name} greets`, START_MS, async () => ended || (await greets(port)))
    if (!ended) return { port, close: running.stop }
    if (left <= 1) throw new Error(`${name} does not start:\n${running.said()}`)
  }
}
