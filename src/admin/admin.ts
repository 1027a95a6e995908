/**
 * The admin listener: three GET routes for scrapers and probes. It is node:http and no framework: this process holds the secrets, and
 * every package in it could read them; three routes without bodies, cookies or sessions want none.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ADMIN_CONNECTIONS_MAX, ADMIN_HEADER_MAX, ADMIN_REQUEST_DEADLINE_MS } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { reveal, type Secret } from '../base/secret.ts'

/** `down`: this node cannot log users in, or is draining. Reasons are one line each and hold no secret. */
export type Readiness = { at: 'ready' } | { at: 'degraded'; reasons: string[] } | { at: 'down'; reasons: string[] }

export type AdminOptions = {
  /** Port 0 picks a free one. */
  listen: { host: string; port: number }
  /** Bearer token for /metrics and /readyz; null asks for none (loopback only: the policy check sees to that). */
  token: Secret | null
  scrape(): Promise<{ type: string; text: string }>
  readiness(): Readiness
}

export type Admin = { host: string; port: number; close(): Promise<void> }

type Reply = { status: number; text: string; type?: string; headers?: Record<string, string> }

/**
 * Listens. /healthz says that the process runs, and nothing else, so it asks for no token and container probes need none.
 * Throws one line that says what to do when the address cannot be had.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const server = createServer(
    {
      maxHeaderSize: ADMIN_HEADER_MAX,
      headersTimeout: ADMIN_REQUEST_DEADLINE_MS,
      requestTimeout: ADMIN_REQUEST_DEADLINE_MS,
      keepAliveTimeout: ADMIN_REQUEST_DEADLINE_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      void answer(request, options).then((reply) => {
        send(response, reply)
      })
    },
  )
  server.maxConnections = ADMIN_CONNECTIONS_MAX
  // A reader that takes no bytes holds no place either.
  server.setTimeout(ADMIN_REQUEST_DEADLINE_MS * 2)
  const { host, port } = options.listen
  await new Promise<void>((resolve, reject) => {
    // Stays: out of descriptors, a server emits `error` at accept, and nobody listening would end the keeper.
    server.on('error', (error) => {
      reject(new Error(`admin.listen ${host}:${port}: ${error.message}; free the address or change admin.listen`))
    })
    server.listen({ host, port }, resolve)
  })
  const bound = server.address() as AddressInfo
  return {
    host: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, options: AdminOptions): Promise<Reply> {
  const [path] = (request.url ?? '').split('?')
  if (path !== '/healthz' && path !== '/readyz' && path !== '/metrics') return { status: 404, text: 'not found\n' }
  if (request.method !== 'GET') return { status: 405, text: 'GET only\n', headers: { allow: 'GET' } }
  if (path === '/healthz') return { status: 200, text: 'ok\n' }
  if (!isAllowed(request.headers.authorization, options.token)) {
    return { status: 401, text: 'token missing or wrong\n', headers: { 'www-authenticate': 'Bearer' } }
  }
  try {
    if (path === '/readyz') return readyz(options.readiness())
    return { status: 200, ...(await options.scrape()) }
  } catch {
    // A reading threw: that is a fault of ours, and its text may hold anything.
    return { status: 503, text: 'internal error\n' }
  }
}

function readyz(readiness: Readiness): Reply {
  switch (readiness.at) {
    case 'ready':
      return { status: 200, text: 'ready\n' }
    case 'degraded':
      return { status: 200, text: `${['degraded', ...readiness.reasons].join('\n')}\n` }
    case 'down':
      return { status: 503, text: `${['down', ...readiness.reasons].join('\n')}\n` }
    default:
      return never(readiness)
  }
}

/** Hashed first, so that neither length nor content shows in the time taken. */
function isAllowed(header: string | undefined, token: Secret | null): boolean {
  if (token === null) return true
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
  const given = /^Bearer +(.+)$/i.exec(header ?? '')?.[1] ?? ''
  return timingSafeEqual(digest(Buffer.from(given, 'latin1')), digest(reveal(token)))
}

/** The connection ends with the answer: what a client sends as a body is never read. */
function send(response: ServerResponse, { status, text, type, headers }: Reply): void {
  response.writeHead(status, {
    'content-type': type ?? 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...headers,
  })
  response.end(text)
}
