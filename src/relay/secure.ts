/** TLS towards an old server. One whose certificate does not check gets no password, and nothing ever goes on in plain instead. */
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { ignore } from '../base/ignore.ts'
import { BACKEND_TRUST_KEPT_MAX } from '../base/limits.ts'
import type { BackendTls } from '../keeper/messages.ts'

/**
 * Needs a connected socket with nothing left to read, and where it leads. Gives the secured one, with half-open allowed and its errors
 * swallowed, once certificate and name are verified; or in a word why not (`late`, `aborted` for our own ends), and destroys it then.
 */
export function secureBackend(
  socket: Socket,
  host: string,
  { ca, name }: BackendTls,
  ms: number,
  signal: AbortSignal,
): Promise<TLSSocket | string> {
  return new Promise((resolve) => {
    const wanted = name ?? host
    const secured = connect({
      socket,
      secureContext: trusting(ca),
      rejectUnauthorized: true,
      ...(isIP(wanted) === 0 && { servername: wanted }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(wanted, certificate),
    })
    // Not in its options: with a socket handed in, Node takes the half-open mode from there.
    secured.allowHalfOpen = true
    const done = (result: TLSSocket | string) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      secured.off('error', failed).off('close', closed).off('secureConnect', made)
      if (typeof result === 'string') {
        secured.destroy()
        socket.destroy()
      }
      resolve(result)
    }
    const abort = () => {
      done('aborted')
    }
    const timer = setTimeout(done, ms, 'late')
    signal.addEventListener('abort', abort, { once: true })
    const failed = (error: NodeJS.ErrnoException) => {
      done(error.code ?? 'error')
    }
    const closed = () => {
      done('closed')
    }
    const made = () => {
      done(secured.authorized ? secured.pause() : 'not verified')
    }
    secured.on('error', ignore).on('error', failed).on('close', closed).on('secureConnect', made)
    if (signal.aborted) abort()
  })
}

const trusted = new Map<string, SecureContext>()

/** A server's own certificate may be named as well, whoever issued it. Reading a hundred roots takes its time: not at each login. */
function trusting(ca: string): SecureContext {
  const known = trusted.get(ca)
  if (known !== undefined) return known
  if (trusted.size >= BACKEND_TRUST_KEPT_MAX) trusted.clear()
  const made = createSecureContext({ ca, minVersion: 'TLSv1.2', allowPartialTrustChain: true })
  trusted.set(ca, made)
  return made
}
