/** Closing a client's connection without eating our own last words. */
import type { Duplex } from 'node:stream'
import { LINGER_MS } from '../base/limits.ts'

/**
 * Writes `words` (if any), ends our side, reads and drops what still comes for a moment, then destroys. Destroying at once
 * would send a RST while the client's bytes lie unread, and a RST makes its side throw away the words.
 */
export async function sayFarewell(client: Duplex, words: string | null): Promise<void> {
  if (client.destroyed) return
  client.on('error', () => undefined)
  if (words !== null) client.write(words)
  client.end()
  client.resume()
  if (!client.readableEnded) await closedWithin(client, LINGER_MS)
  else await flushedWithin(client, LINGER_MS)
  client.destroy()
}

function closedWithin(client: Duplex, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    client.once('end', done).once('close', done)
  })
}

function flushedWithin(client: Duplex, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (client.writableFinished) {
      resolve()
      return
    }
    const timer = setTimeout(resolve, ms)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    client.once('finish', done).once('close', done)
  })
}
