import { once } from 'node:events'
import { createServer } from 'node:net'
import type { House } from './house.ts'

/**
 * Serves a program of the house that speaks on its standard input and output, as inetd does: one process a connection.
 * Without Nagle's algorithm, which would cost 40 ms a message where a server writes its status line and its text apart.
 * Gives what ends it.
 */
export async function inetd(house: House, port: number, argv: string[]): Promise<() => Promise<void>> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    house.serve(argv, socket)
    socket.destroy()
  })
  server.listen(port, house.address)
  await once(server, 'listening')
  return async () => {
    server.close()
    await once(server, 'close')
  }
}
