/**
 * Where a connection comes from: the peer itself, or what a balancer says in a PROXY header. ATTACK: whoever may write a header
 * chooses an address, and with it the verdict of the gate, the rates and the audit. So a listener with `proxy_protocol_from` takes
 * connections of those networks alone, and each must begin with a header.
 */
import type { Socket } from 'node:net'
import { contains, parseAddress, type Endpoint, type Range } from '../base/ip.ts'
import { PROXY_HEADER_DEADLINE_MS } from '../base/gate-limits.ts'
import { news } from './news.ts'
import { readProxyHeader, type HeaderFault } from './proxy-header.ts'

export type Origin =
  /** `source` is who gate, rates, audit and logins are about; `destination` is what it connected to. */
  | { at: 'client'; source: Endpoint; destination: Endpoint }
  /** A balancer that speaks for itself: a health check. */
  | { at: 'own' }
  /** None of the networks that may connect to this listener. */
  | { at: 'stranger' }
  | { at: 'fault'; why: HeaderFault | 'proxy-header-late' | 'proxy-header-cut-short' }
  /** Closed without a byte, as the simplest health checks do, or ended from our side. */
  | { at: 'gone' }

/**
 * Needs an accepted socket that nobody has read from, its peer, and the networks that must send a header (none: nobody does).
 * What the client sent behind the header is put back for TLS. Never throws, never waits longer than `deadlineMs`.
 */
export async function originOf(
  socket: Socket,
  peer: Endpoint,
  from: readonly Range[],
  stop: AbortSignal,
  deadlineMs = PROXY_HEADER_DEADLINE_MS,
): Promise<Origin> {
  if (from.length === 0) return { at: 'client', source: peer, destination: localEnd(socket, peer) }
  if (!from.some((range) => contains(range, peer.address))) return { at: 'stranger' }
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
  }, deadlineMs)
  try {
    const origin = await awaitHeader(socket, stop, late.signal)
    return origin.at === 'client' && isSame(origin.source, peer) ? { at: 'own' } : origin
  } finally {
    clearTimeout(timer)
  }
}

async function awaitHeader(socket: Socket, stop: AbortSignal, late: AbortSignal): Promise<Origin> {
  let seen: Buffer = Buffer.alloc(0)
  for (;;) {
    if (stop.aborted) return { at: 'gone' }
    if (late.aborted) return { at: 'fault', why: 'proxy-header-late' }
    const chunk = socket.read() as Buffer | null
    if (chunk === null) {
      if (isOver(socket)) return seen.length === 0 ? { at: 'gone' } : { at: 'fault', why: 'proxy-header-cut-short' }
      await news(socket, [stop, late])
      continue
    }
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const header = readProxyHeader(seen)
    if (header.at === 'more') continue
    if (header.at === 'fault') return header
    const rest = seen.subarray(header.length)
    if (rest.length > 0) socket.unshift(rest)
    return header.at === 'own' ? header : { at: 'client', source: header.source, destination: header.destination }
  }
}

/** The other side has ended, and nothing is left to read. */
function isOver(socket: Socket): boolean {
  return socket.destroyed || socket.readableEnded || !socket.readable
}

/** HAProxy's health checks name HAProxy itself in a header of version 1: the very end that the connection has. */
function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.address.text === other.address.text && one.port === other.port
}

/** Gives the address that the client connected to. Of a socket that is closed already it is unknown: all zeros. */
function localEnd(socket: Socket, peer: Endpoint): Endpoint {
  const address = parseAddress(socket.localAddress ?? '') ?? parseAddress(peer.address.family === 4 ? '0.0.0.0' : '::')
  if (address === null) throw new Error('an address of zeros is an address')
  return { address, port: socket.localPort ?? 0 }
}
