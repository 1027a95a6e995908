/** TLS at the outside: contexts from the snapshot, SNI, tickets, and the handshake of one connection. */
import { constants, hash } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { HANDSHAKE_DEADLINE_MS } from '../base/limits.ts'
import type { CertificateFacts, TlsFacts } from '../audit/events.ts'
import type { CertificatePlan, ClientCaPlan, Snapshot } from '../keeper/messages.ts'
import { certificateOf } from './client-certificate.ts'
import { readClientHello, type ClientHello } from './client-hello.ts'
import { news } from './news.ts'

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

/**
 * ATTACK: a certificate that was revoked stays authorised on a session that is resumed. So such listeners give out no tickets, take none
 * (another context, and keys that no other server has), and keep no sessions.
 */
const ASKING = { secureOptions: CONTEXT.secureOptions | constants.SSL_OP_NO_TICKET, sessionIdContext: 'postern-asking' }

/** Whether the listener asks clients for a certificate. */
export type Ask = 'certificate' | 'no-certificate'

export type Secured = { at: 'secured'; socket: TLSSocket; facts: TlsFacts; client: string; handshakeMs: number }
export type NotSecured = { at: 'failed'; reason: string }

export type Terminator = {
  /** Takes a new snapshot's certificates; connections that stand keep theirs. */
  update(snapshot: Snapshot): void
  setTicketKeys(keys: Buffer): void
  /**
   * Needs an accepted socket and signals that end the handshake before its deadline does. Gives the secured socket with what the
   * audit wants to know, or why not. Never throws for what a stranger sends.
   */
  secure(raw: Socket, stops: readonly AbortSignal[], ask: Ask): Promise<Secured | NotSecured>
}

/**
 * Makes the TLS servers of a front; they never listen themselves, accepted sockets are handed to them. There are two, as a session that
 * was made where nobody asks for certificates must not be resumed where somebody does.
 */
export function terminator(first: Snapshot, deadlineMs = HANDSHAKE_DEADLINE_MS): Terminator {
  const waiting = new WeakMap<Socket, (result: TLSSocket | Error) => void>()
  const settled = (raw: Socket, result: TLSSocket | Error) => waiting.get(raw)?.(result)
  const plain = makeDoor(first, null, settled)
  let asking = first.clientCa === null ? null : makeDoor(first, first.clientCa, settled)
  let { clientCa } = first

  const handshake = (server: Server, raw: Socket) =>
    new Promise<TLSSocket | Error>((resolve) => {
      const closed = () => {
        resolve(new Error('closed during the handshake'))
      }
      waiting.set(raw, (result) => {
        waiting.delete(raw)
        raw.off('close', closed)
        resolve(result)
      })
      raw.on('close', closed)
      server.emit('connection', raw)
    })

  return {
    update(next) {
      clientCa = next.clientCa
      plain.update(next, null)
      if (clientCa === null) asking = null
      else if (asking === null) asking = makeDoor(next, clientCa, settled)
      else asking.update(next, clientCa)
    },
    setTicketKeys: plain.setTicketKeys,
    async secure(raw, stops, ask) {
      const started = performance.now()
      const guard = guarded(raw, stops, deadlineMs)
      try {
        const hello = await awaitHello(raw)
        if (guard.isOver()) return { at: 'failed', reason: 'handshake deadline passed' }
        if (hello === 'not-tls') return { at: 'failed', reason: 'not a TLS client hello' }
        if (hello === 'closed') return { at: 'failed', reason: 'closed before the handshake' }
        const ca = ask === 'certificate' ? clientCa : null
        const result = await handshake((ca === null ? plain : (asking ?? plain)).server(), raw)
        if (guard.isOver()) return { at: 'failed', reason: 'handshake deadline passed' }
        if (result instanceof Error) return { at: 'failed', reason: reasonOf(result) }
        const handshakeMs = performance.now() - started
        const facts = factsOf(result, hello, ca === null ? null : certificateOf(result, ca.userFrom))
        return { at: 'secured', socket: result, facts, client: hello.stable, handshakeMs }
      } finally {
        guard.end()
      }
    },
  }
}

type Door = {
  server(): Server
  update(snapshot: Snapshot, ca: ClientCaPlan | null): void
  setTicketKeys(keys: Buffer): void
}

/** One TLS server. With a CA it asks for certificates, and ends no handshake for what it gets: it says so in `authorized`. */
function makeDoor(
  snapshot: Snapshot,
  ca: ClientCaPlan | null,
  settled: (raw: Socket, to: TLSSocket | Error) => void,
): Door {
  let contexts = contextsOf(snapshot, ca)
  let keys: Buffer | null = null
  const make = (of: Snapshot, among: ClientCaPlan | null) => {
    const server = createServer({
      ...materialOf(firstOf(of), of, among),
      allowHalfOpen: true,
      ALPNProtocols: ['pop3'],
      // A handshake that waits for it costs a twentieth more: only where there is something to choose.
      ...(of.certificates.length > 1 && {
        SNICallback: (name: string, done: (error: null, context: SecureContext) => void) => {
          done(null, pick(contexts, name))
        },
      }),
      ...(among !== null && { requestCert: true, rejectUnauthorized: false }),
    })
    if (keys !== null) server.setTicketKeys(keys)
    server.on('secureConnection', (socket) => {
      settled(rawOf(socket), socket)
    })
    server.on('tlsClientError', (error, socket) => {
      settled(rawOf(socket), error)
    })
    return server
  }
  let server = make(snapshot, ca)
  let madeOf = materialsOf(snapshot, ca)
  return {
    server: () => server,
    update(next, nextCa) {
      const materials = materialsOf(next, nextCa)
      // Most reloads are about other things, and reading keys and certificates holds up all connections of this front.
      if (materials === madeOf) return
      contexts = contextsOf(next, nextCa)
      // A new one: only so it gets the ticket keys again, and chooses by name where there is something to choose by now.
      server = make(next, nextCa)
      madeOf = materials
    },
    setTicketKeys(next) {
      keys = next
      server.setTicketKeys(next)
    },
  }
}

/** Node keeps the accepted socket under this name and offers no public way from one to the other. */
function rawOf(socket: TLSSocket): Socket {
  return (socket as TLSSocket & { _parent: Socket })._parent
}

type Contexts = { exact: Map<string, SecureContext>; wildcard: Map<string, SecureContext>; first: SecureContext }

function contextsOf(snapshot: Snapshot, ca: ClientCaPlan | null): Contexts {
  const made = snapshot.certificates.map((plan) => ({
    plan,
    context: createSecureContext(materialOf(plan, snapshot, ca)),
  }))
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

/** Tells all that a server is made of from anything else. */
function materialsOf({ certificates, minVersion }: Snapshot, ca: ClientCaPlan | null): string {
  return hash('sha256', JSON.stringify([certificates, minVersion, ca]))
}

function materialOf(plan: CertificatePlan, snapshot: Snapshot, ca: ClientCaPlan | null): SecureContextOptions {
  const material = { ...CONTEXT, cert: plan.cert, key: plan.key, minVersion: snapshot.minVersion }
  return ca === null ? material : { ...material, ...ASKING, ca: ca.ca, crl: ca.crls }
}

function firstOf(snapshot: Snapshot): CertificatePlan {
  const plan = snapshot.certificates[0]
  if (plan === undefined) throw new Error('a snapshot without certificates')
  return plan
}

/** Destroys the socket when the time for a handshake is over, or a signal aborts. A signal of its own would cost more than all else here. */
function guarded(raw: Socket, stops: readonly AbortSignal[], deadlineMs: number): { isOver(): boolean; end(): void } {
  let isOver = false
  const abort = () => {
    isOver = true
    raw.destroy()
  }
  const timer = setTimeout(abort, deadlineMs)
  for (const stop of stops) {
    if (stop.aborted) abort()
    else stop.addEventListener('abort', abort)
  }
  return {
    isOver: () => isOver,
    end() {
      clearTimeout(timer)
      for (const stop of stops) stop.removeEventListener('abort', abort)
    },
  }
}

/** Reads until the ClientHello is whole and puts it back for OpenSSL. */
async function awaitHello(raw: Socket): Promise<ClientHello | 'not-tls' | 'closed'> {
  let seen: Buffer | null = null
  for (;;) {
    const chunk = raw.read() as Buffer | null
    if (chunk === null) {
      if (raw.readableEnded || raw.destroyed || !raw.readable) return 'closed'
      await news(raw)
      continue
    }
    seen = seen === null ? chunk : Buffer.concat([seen, chunk])
    const hello = readClientHello(seen)
    if (hello === 'not-tls') return 'not-tls'
    if (hello !== 'more') {
      raw.unshift(seen)
      return hello
    }
  }
}

function factsOf(socket: TLSSocket, hello: ClientHello, certificate: CertificateFacts | null): TlsFacts {
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    ja4: hello.ja4,
    ...(hello.serverName === null ? {} : { serverName: hello.serverName }),
    resumed: socket.isSessionReused(),
    ...(certificate !== null && { certificate }),
  }
}

/** OpenSSL's error text carries file names and numbers of its own; the code says it all. */
function reasonOf(error: Error & { code?: unknown }): string {
  return typeof error.code === 'string' ? error.code : error.message.slice(0, 200)
}
