/** How a client is let go: with its last words, or so that it cannot take half a message for a whole one. */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** `flushMs`: for what still waits to be written. `lingerMs`: from our last octet to the other side's close. */
export type PartingDeadlines = { flushMs: number; lingerMs: number }

/**
 * Ends the connection behind what was written, then reads and discards for a while, then destroys it. A socket closed with
 * octets unread sends RST, and that would eat the last words on their way. Resolves when the socket is gone.
 */
export function part(client: Duplex, { flushMs, lingerMs }: PartingDeadlines): Promise<void> {
  return new Promise((resolve) => {
    if (client.closed) {
      resolve()
      return
    }
    let timer = setTimeout(destroy, flushMs)
    function destroy() {
      client.destroy()
    }
    client.on('data', () => undefined)
    client.once('finish', () => {
      clearTimeout(timer)
      timer = setTimeout(destroy, lingerMs)
    })
    client.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    client.end()
    client.resume()
  })
}

/**
 * Breaks the connection off in the middle of a reply, without an octet more: RST where TCP is in reach, and no close_notify, so
 * that no client takes the end for that of a message. Resolves when the socket is gone.
 */
export function breakOff(client: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (client.closed) {
      resolve()
      return
    }
    client.once('close', () => {
      resolve()
    })
    tcpBelow(client)?.resetAndDestroy()
    client.destroy()
  })
}

/** Node keeps the accepted socket below TLS under `_parent`, and offers no public way to it. */
function tcpBelow(client: Duplex): Socket | null {
  if (!('encrypted' in client)) return client instanceof Socket ? client : null
  const below = (client as { _parent?: unknown })._parent
  return below instanceof Socket ? below : null
}
