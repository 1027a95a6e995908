/** A local https server for downloads; what it answers is the test's. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { testCertificate } from './certificate.ts'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export type Downloads = {
  url(path?: string): string
  /** PEM: who trusts this trusts the server. */
  certificate: string
  answer: Answer
  close(): void
}

/** Starts it on a free port; this process trusts its certificate from then on. */
export async function startDownloads(): Promise<Downloads> {
  // Each its own name: among issuers of one name OpenSSL looks at the first alone.
  const { cert, key } = await testCertificate([`${randomUUID()}.example`, 'localhost'])
  const sockets = new Set<Socket>()
  const server = createServer({ cert, key }, (request, response) => {
    downloads.answer(request, response)
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  setDefaultCACertificates([...getCACertificates('default'), cert])
  const { port } = server.address() as AddressInfo
  const downloads: Downloads = {
    url: (path = '/') => `https://localhost:${port}${path}`,
    certificate: cert,
    answer: (_, response) => response.end(),
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
  return downloads
}
