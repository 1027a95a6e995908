import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createServer } from 'node:tls'
import { certificate } from './certificate.ts'
import type { Front, Wanted } from './front.ts'
import { listen } from './listen.ts'

/** TLS and nothing else before the old server: the self-test of this harness. */
export async function startDirect(wanted: Wanted): Promise<Front> {
  const { cert, key } = await certificate()
  const sockets = new Set<Socket>()
  const server = createServer({ cert, key, allowHalfOpen: true }, (near) => {
    const far = connect({ ...wanted.backend, allowHalfOpen: true })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.end()
      })
    }
  })
  server.on('tlsClientError', () => undefined)
  const port = await listen(server)
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return { host: '127.0.0.1', port, ca: cert, passwordFor: () => wanted.password, close }
}
