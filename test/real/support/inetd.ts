import { once } from 'node:events'
import { createServer } from 'node:net'
import type { House } from './house.ts'
import { listen } from './ports.ts'

/**
 * Serves a program of the house that speaks on its standard input and output, as inetd does: one process a connection.
 * Without Nagle's algorithm, which would cost 40 ms a message where a server writes its status line and its text apart.
 */
export async function inetd(house: House, argv: string[]): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    house.serve(argv, socket)
    socket.destroy()
  })
  const port = await listen(server)
  const close = async (): Promise<void> => {
    server.close()
    await once(server, 'close')
  }
  return { port, close }
}
