/** The first page of the story: whose connection it is, and what becomes of one that is nobody's. */
import type { Socket } from 'node:net'
import { ignore } from './base/ignore.ts'
import type { Address, Endpoint } from './base/ip.ts'
import { TURNED_AWAY_SHARE } from './base/gate-limits.ts'
import { LINGER_MS } from './base/limits.ts'
import { never } from './base/never.ts'
import { part } from './base/parting.ts'
import type { Budget } from './front/budget.ts'
import type { DenialReport } from './front/denial-report.ts'
import { originOf } from './front/origin.ts'
import type { Terminator } from './front/tls.ts'
import type { ListenerPlan, Snapshot } from './keeper/messages.ts'
import { runLogin } from './login/run.ts'
import { DENIED, TROUBLE } from './pop3/reply.ts'

/** How long a client may take over our last words. */
export const LAST_WORDS = { flushMs: LINGER_MS, lingerMs: LINGER_MS }

/** As the keeper's messages name a connection. */
export type Peer = { listener: string; ip: string; port: number }

/** `address` and `peer` are the client's, also behind a balancer. */
export type Arrival = { address: Address; peer: Peer; source: Endpoint; destination: Endpoint }

/** What of the house is needed at the door. */
type Doorstep = {
  /** Those that are turned away with words. */
  turnedAway: Pick<Budget, 'enter' | 'leave'>
  denials: DenialReport
  snapshot(): Snapshot
  tls(): Terminator
}

/**
 * Needs an accepted socket and its own peer. Gives who is there, or null for a connection that is at its end now: of a stranger on
 * a listener for balancers, without a right PROXY header, or of a balancer's health check.
 */
export async function arrive(
  socket: Socket,
  end: Endpoint,
  listener: ListenerPlan,
  house: Doorstep,
  stop: AbortSignal,
): Promise<Arrival | null> {
  const origin = await originOf(socket, end, listener.proxy?.from ?? [], stop)
  const balancer = { listener: listener.name, ip: end.address.text, port: end.port }
  switch (origin.at) {
    case 'client': {
      const { source, destination } = origin
      const peer = { listener: listener.name, ip: source.address.text, port: source.port }
      return { address: source.address, peer, source, destination }
    }
    case 'stranger':
      if (listener.proxy !== null) house.denials.note(end.address, { ...balancer, by: listener.proxy.by, would: false })
      await sayDenied(socket, listener, house, stop)
      return null
    case 'fault':
      house.denials.violated(end.address, { ...balancer, reason: origin.why })
      return null
    case 'own':
      await answerCheck(socket, listener, house, stop, () => {
        house.denials.violated(end.address, {
          ...balancer,
          reason: 'login-without-client-address',
        })
      })
      return null
    case 'gone':
      return null
    default:
      return never(origin)
  }
}

/**
 * With `on_deny: say`, finishes the handshake and says no; before STLS it is said in plain. `unsure` is our own trouble and always said: nobody is told to stay away for
 * good on it. ATTACK: a flood of refused connections that each hold a place for the time of a handshake; a tenth of the
 * places is for them, beyond it they are dropped.
 */
export async function sayDenied(
  socket: Socket,
  listener: ListenerPlan,
  house: Doorstep,
  stop: AbortSignal,
  why: 'denied' | 'unsure' = 'denied',
): Promise<void> {
  const { onDeny, limits } = house.snapshot()
  const place = { loggedIn: false, stop: () => undefined }
  if (onDeny !== 'say' && why === 'denied') return
  if (!house.turnedAway.enter(place, Math.ceil(limits.connections * TURNED_AWAY_SHARE))) return
  try {
    const client = listener.tls === 'stls' ? socket : await secure(socket, house, [stop])
    client?.write(why === 'unsure' ? TROUBLE : DENIED)
    if (client !== null) await part(client, LAST_WORDS)
  } finally {
    house.turnedAway.leave(place)
  }
}

/** TLS on a connection that nobody keeps account of. */
async function secure(socket: Socket, house: Doorstep, stops: AbortSignal[]): Promise<Socket | null> {
  const secured = await house.tls().secure(socket, stops, 'no-certificate')
  return secured.at === 'failed' ? null : secured.socket.on('error', ignore)
}

/**
 * A balancer that asks how we are: it gets what a client gets before login, and nothing of it is in the logs. Nobody logs in: where the client is
 * cannot be said, and the balancer's own address may be one of those that the policies trust.
 */
async function answerCheck(
  socket: Socket,
  listener: ListenerPlan,
  house: Doorstep,
  stop: AbortSignal,
  tried: () => void,
): Promise<void> {
  const bare = listener.tls === 'stls'
  const first = bare ? socket : await secure(socket, house, [stop])
  if (first === null) return
  const { client } = await runLogin(first, {
    server: null,
    deadlineMs: house.snapshot().limits.loginTimeMs,
    stop,
    violation: () => undefined,
    judge: () => {
      tried()
      return Promise.resolve({ say: 'trouble', line: TROUBLE })
    },
    startTls: bare ? (late) => secure(socket, house, [stop, late]) : null,
  })
  await part(client, LAST_WORDS)
}
