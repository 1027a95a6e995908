/** A local https server that gives feeds, well or badly. */
import { createServer, type RequestListener, type Server as PlainServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { testCertificate } from './certificate.ts'

export type FeedServer = {
  /** `https://localhost:PORT`, without a slash. */
  url: string
  /** The certificate to trust, in PEM form. */
  ca: string
  /** What it does with requests from now on. */
  answer(listener: RequestListener): void
  /** Requests so far: path, and the validators they came with. */
  asked: { path: string; etag: string | undefined; since: string | undefined; authorization: string | undefined }[]
  close(): Promise<void>
}

/** Starts one on a free port of 127.0.0.1. `plain`: http. */
export async function startFeedServer(listener: RequestListener, plain = false): Promise<FeedServer> {
  const { cert, key } = await testCertificate(['localhost'])
  let current = listener
  const asked: FeedServer['asked'] = []
  const take: RequestListener = (request, response) => {
    const { 'if-none-match': etag, 'if-modified-since': since, authorization } = request.headers
    asked.push({ path: request.url ?? '', etag, since, authorization })
    current(request, response)
  }
  const server: PlainServer = plain ? createServer(take) : createSecureServer({ cert, key }, take)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${plain ? 'http' : 'https'}://localhost:${(server.address() as AddressInfo).port}`,
    ca: cert,
    answer: (next) => {
      current = next
    },
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        for (const socket of sockets) socket.destroy()
      }),
  }
}
