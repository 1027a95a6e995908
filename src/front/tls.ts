/** TLS at the outside: contexts from the snapshot, SNI, tickets, and the handshake of one connection. */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, createServer, type SecureContext, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import type { TlsFacts } from '../audit/events.ts'
import type { CertificatePlan, Snapshot } from '../keeper/messages.ts'
import { readClientHello, type ClientHello } from './client-hello.ts'

/** BCP 195 (RFC 9325 section 4.2): forward secrecy and AEAD only. The TLS 1.3 suites are OpenSSL's own. */
const CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
].join(':')

const GROUPS = 'X25519MLKEM768:X25519:P-256:P-384'

const CONTEXT = {
  ciphers: CIPHERS,
  ecdhCurve: GROUPS,
  honorCipherOrder: true,
  sessionIdContext: 'postern',
  // Renegotiation lets a client of TLS 1.2 make the server work for nothing, and nothing in POP3 needs it.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
}

export type Secured = { at: 'secured'; socket: TLSSocket; facts: TlsFacts; client: string; handshakeMs: number }
export type NotSecured = { at: 'failed'; reason: string }

export type Terminator = {
  /** Takes a new snapshot's certificates; connections that stand keep theirs. */
  update(snapshot: Snapshot): void
  setTicketKeys(keys: Buffer): void
  /**
   * Needs an accepted socket and a signal that aborts at the handshake's deadline. Gives the secured socket with what the
   * audit wants to know, or why not. Never throws for what a stranger sends.
   */
  secure(raw: Socket, signal: AbortSignal): Promise<Secured | NotSecured>
}

/** Makes the one TLS server of a front; it never listens itself, accepted sockets are handed to it. */
export function terminator(snapshot: Snapshot): Terminator {
  let contexts = contextsOf(snapshot)
  const waiting = new WeakMap<Socket, (result: TLSSocket | Error) => void>()
  const server = createServer({
    ...CONTEXT,
    ...firstOf(snapshot),
    allowHalfOpen: true,
    ALPNProtocols: ['pop3'],
    SNICallback: (name, done) => {
      done(null, pick(contexts, name))
    },
  })
  server.on('secureConnection', (socket) => waiting.get(rawOf(socket))?.(socket))
  server.on('tlsClientError', (error, socket) => waiting.get(rawOf(socket))?.(error))

  const handshake = (raw: Socket) =>
    new Promise<TLSSocket | Error>((resolve) => {
      waiting.set(raw, resolve)
      raw.once('close', () => {
        resolve(new Error('closed during the handshake'))
      })
      server.emit('connection', raw)
    })

  return {
    update(next) {
      contexts = contextsOf(next)
      server.setSecureContext({ ...CONTEXT, ...firstOf(next) })
    },
    setTicketKeys(keys) {
      server.setTicketKeys(keys)
    },
    async secure(raw, signal) {
      const started = performance.now()
      const hello = await awaitHello(raw, signal)
      if (signal.aborted) return { at: 'failed', reason: 'handshake deadline passed' }
      if (hello === 'not-tls') return { at: 'failed', reason: 'not a TLS client hello' }
      if (hello === 'closed') return { at: 'failed', reason: 'closed before the handshake' }
      const abort = () => raw.destroy()
      signal.addEventListener('abort', abort, { once: true })
      const result = await handshake(raw)
      signal.removeEventListener('abort', abort)
      if (signal.aborted) return { at: 'failed', reason: 'handshake deadline passed' }
      if (result instanceof Error) return { at: 'failed', reason: reasonOf(result) }
      const handshakeMs = performance.now() - started
      return { at: 'secured', socket: result, facts: factsOf(result, hello), client: hello.stable, handshakeMs }
    },
  }
}

/** Node keeps the accepted socket under this name and offers no public way from one to the other. */
function rawOf(socket: TLSSocket): Socket {
  return (socket as TLSSocket & { _parent: Socket })._parent
}

type Contexts = { exact: Map<string, SecureContext>; wildcard: Map<string, SecureContext>; first: SecureContext }

function contextsOf(snapshot: Snapshot): Contexts {
  const made = snapshot.certificates.map((plan) => ({ plan, context: createSecureContext(materialOf(plan, snapshot)) }))
  const exact = new Map<string, SecureContext>()
  const wildcard = new Map<string, SecureContext>()
  for (const { plan, context } of made) {
    for (const name of plan.serverNames) {
      const lower = name.toLowerCase()
      const table = lower.startsWith('*.') ? wildcard : exact
      const key = lower.startsWith('*.') ? lower.slice(2) : lower
      if (!table.has(key)) table.set(key, context)
    }
  }
  const first = made[0]?.context
  if (first === undefined) throw new Error('a snapshot without certificates')
  return { exact, wildcard, first }
}

/** RFC 6125 section 6.4.3: a wildcard stands for exactly one label. An unknown name gets the first certificate. */
function pick(contexts: Contexts, name: string): SecureContext {
  const lower = name.toLowerCase()
  const parent = lower.slice(lower.indexOf('.') + 1)
  return contexts.exact.get(lower) ?? contexts.wildcard.get(parent) ?? contexts.first
}

function materialOf(plan: CertificatePlan, snapshot: Snapshot) {
  return { ...CONTEXT, cert: plan.cert, key: plan.key, minVersion: snapshot.minVersion }
}

function firstOf(snapshot: Snapshot) {
  const plan = snapshot.certificates[0]
  if (plan === undefined) throw new Error('a snapshot without certificates')
  return materialOf(plan, snapshot)
}

/** Reads until the ClientHello is whole and puts it back for OpenSSL. */
async function awaitHello(raw: Socket, signal: AbortSignal): Promise<ClientHello | 'not-tls' | 'closed'> {
  let seen: Buffer = Buffer.alloc(0)
  while (!signal.aborted) {
    const chunk = raw.read() as Buffer | null
    if (chunk === null) {
      if (raw.readableEnded || raw.destroyed) return 'closed'
      try {
        await once(raw, 'readable', { signal })
      } catch {
        return 'closed'
      }
      if (raw.readableLength === 0 && (raw.readableEnded || raw.destroyed || raw.readable === false)) return 'closed'
      continue
    }
    seen = Buffer.concat([seen, chunk])
    const hello = readClientHello(seen)
    if (hello === 'not-tls') return 'not-tls'
    if (hello !== 'more') {
      raw.unshift(seen)
      return hello
    }
  }
  return 'closed'
}

function factsOf(socket: TLSSocket, hello: ClientHello): TlsFacts {
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    ja4: hello.ja4,
    ...(hello.serverName === null ? {} : { serverName: hello.serverName }),
    resumed: socket.isSessionReused(),
  }
}

/** OpenSSL's error text carries file names and numbers of its own; the code says it all. */
function reasonOf(error: Error & { code?: unknown }): string {
  return typeof error.code === 'string' ? error.code : error.message.slice(0, 200)
}
