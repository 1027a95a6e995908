/** Waiting for a socket that nobody reads from yet. */
import type { Socket } from 'node:net'

const EVENTS = ['readable', 'end', 'close', 'error']

/** Resolves when there is something to read, nothing more will come, or one of the signals aborts. */
export function news(socket: Socket, stops: readonly AbortSignal[] = []): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of EVENTS) socket.off(event, done)
      for (const stop of stops) stop.removeEventListener('abort', done)
      resolve()
    }
    for (const event of EVENTS) socket.on(event, done)
    for (const stop of stops) stop.addEventListener('abort', done)
    if (stops.some(({ aborted }) => aborted)) done()
  })
}
