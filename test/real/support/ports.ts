import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'

/** Listens on a free loopback port and gives it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A loopback port that was free a moment ago, for programs that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until `true`, asking every 50 ms for at most `ms`; throws with `what` when that has passed. */
export async function until(what: string, ms: number, ask: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + ms
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${String(ms)} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Whether a POP3 server greets at this port. */
export async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(2_000, () => socket.destroy())
  try {
    const [first] = (await once(socket, 'data')) as [Buffer]
    return first.toString('latin1').startsWith('+OK')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
