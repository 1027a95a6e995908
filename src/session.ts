/**
 * THE STORY: one connection, from accept to its last audit event.
 *
 *     gate (in memory) -> a place from the keeper -> TLS -> the dialogue, where each login is judged by the keeper
 *     (second factor) and then by the old server (password) -> the relay -> the end
 *
 * Every way out tells the keeper how it ended, and the keeper writes the audit. A bug anywhere in here is caught here, once:
 * it ends this connection, and lets nobody in.
 */
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ending, SessionCounts } from './audit/events.ts'
import type { Clock } from './base/clock.ts'
import { parseAddress, type Address } from './base/ip.ts'
import { HANDSHAKE_DEADLINE_MS, LINGER_MS, PER_ADDRESS_SHARE } from './base/limits.ts'
import type { Level } from './base/log.ts'
import { part } from './base/parting.ts'
import { reveal } from './base/secret.ts'
import type { Budget, Handle } from './front/budget.ts'
import type { DenialReport } from './front/denial-report.ts'
import type { Secured, Terminator } from './front/tls.ts'
import type { ToKeeper } from './front/to-keeper.ts'
import { earlyVerdict } from './gate/gate.ts'
import type { AuthenticateAnswer, BackendPlan, ListenerPlan, SettleAnswer, Snapshot } from './keeper/messages.ts'
import type { LoginVerdict } from './login/machine.ts'
import { runLogin, type Attempt } from './login/run.ts'
import { DENIED, TROUBLE } from './pop3/reply.ts'
import { loginBackend, type BackendLogin, type Proven } from './relay/backend.ts'
import { outcomeOf } from './relay/failure.ts'
import { relay, type Progress } from './relay/pump.ts'

/** What a front offers each connection. */
export type House = {
  clock: Clock
  keeper: ToKeeper
  connections: Budget
  /** Those of them that are turned away with words. */
  turnedAway: Budget
  denials: DenialReport
  snapshot(): Snapshot
  tls(): Terminator
  backend(name: string): BackendPlan | null
  anyBackend(): BackendPlan[]
  isLeaving(): boolean
  relayed(progress: Progress): void
  log(level: Level, text: string): void
}

/** How long a client may take over our last words. */
const LAST_WORDS = { flushMs: LINGER_MS, lingerMs: LINGER_MS }

/** How a connection ended. Counts only where a login was proven. */
type End = { reason: Ending; counts?: SessionCounts }

/** A session whose client left between the proof and the first command. */
const NOTHING_DONE = {
  counts: { bytesToClient: 0, bytesFromClient: 0, retrieved: 0, deleted: 0, marked: 0, durationMs: 0 },
}

/** Takes an accepted socket through all stations. Never rejects. */
export async function session(socket: Socket, listener: ListenerPlan, house: House): Promise<void> {
  const stop = new AbortController()
  const handle: Handle = {
    loggedIn: false,
    stop: (reason) => {
      stop.abort(reason)
    },
  }
  socket.on('error', () => undefined)
  try {
    const address = parseAddress(socket.remoteAddress ?? '')
    if (address === null) return
    const peer = { listener: listener.name, ip: address.text, port: socket.remotePort ?? 0 }
    const limits = house.snapshot().limits
    if (!house.connections.enter(handle, limits.connections)) {
      house.denials.note(address, {
        ...peer,
        by: { file: 'postern.yaml', line: 0, rule: 'limits.connections' },
        would: false,
      })
      return
    }
    if (await isTurnedAway(socket, address, peer, house, handle, stop.signal)) return
    const place = await house.keeper.admit(peer)
    if (place.say !== 'admitted') return
    house.connections.named(place.session, handle)
    const end = await converse(socket, place.session, house, handle, stop.signal).catch((bug: unknown): End => {
      house.log('error', `session ${place.session}: ${bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)}`)
      return { reason: 'internal-error' }
    })
    house.keeper.tell({ kind: 'closed', session: place.session, ...end })
  } catch (error) {
    house.log('error', `connection: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    socket.destroy()
    house.turnedAway.leave(handle)
    house.connections.leave(handle)
  }
}

type Peer = { listener: string; ip: string; port: number }

/** The gate, before anything costs anything. With `on_deny: say` the refusal is spoken, inside TLS. */
async function isTurnedAway(
  socket: Socket,
  address: Address,
  peer: Peer,
  house: House,
  handle: Handle,
  stop: AbortSignal,
): Promise<boolean> {
  const { gate, onDeny, limits } = house.snapshot()
  const { verdict, would } = earlyVerdict(gate, address, house.clock.now())
  for (const by of would) house.denials.note(address, { ...peer, by, would: true })
  if (verdict.say === 'pass' || verdict.say === 'admit') return false
  house.denials.note(address, { ...peer, by: verdict.by, would: false })
  // ATTACK: strangers whom nobody would miss are slow to hear that they are unwanted, and fill the house meanwhile.
  if (onDeny === 'say' && house.turnedAway.enter(handle, Math.ceil(limits.connections * PER_ADDRESS_SHARE))) {
    const secured = await house
      .tls()
      .secure(socket, AbortSignal.any([stop, AbortSignal.timeout(HANDSHAKE_DEADLINE_MS)]))
    if (secured.at === 'secured') {
      secured.socket.on('error', () => undefined).write(DENIED)
      await part(secured.socket, LAST_WORDS)
    }
  }
  return true
}

/** From the first byte of TLS to the last byte of mail. */
async function converse(socket: Socket, id: string, house: House, handle: Handle, stop: AbortSignal): Promise<End> {
  const secured = await house.tls().secure(socket, AbortSignal.any([stop, AbortSignal.timeout(HANDSHAKE_DEADLINE_MS)]))
  if (secured.at === 'failed') {
    house.keeper.tell({ kind: 'tls-failed', session: id, reason: secured.reason })
    return { reason: stop.aborted ? (stop.reason as Ending) : 'client-closed' }
  }
  secured.socket.on('error', () => undefined)
  const { facts: tls, client, handshakeMs } = secured
  house.keeper.tell({ kind: 'secured', session: id, tls, client, handshakeMs })

  const proven: { server: Proven | null; backend: BackendPlan | null } = { server: null, backend: null }
  const { limits } = house.snapshot()
  const login = await runLogin(secured.socket, {
    server: offered(house.anyBackend()),
    deadlineMs: limits.loginTimeMs,
    stop,
    violation: (reason) => {
      house.keeper.tell({ kind: 'violation', session: id, reason })
    },
    judge: async (attempt, gone) => {
      const judged = await judge(attempt, id, house, gone)
      if (judged.server !== null) Object.assign(proven, judged)
      return judged.verdict
    },
  })
  if (login.at === 'over') {
    proven.server?.socket.destroy()
    await part(secured.socket, LAST_WORDS)
    return {
      reason: login.reason === 'violation' ? 'too-many-failures' : login.reason,
      ...(proven.server && NOTHING_DONE),
    }
  }
  if (proven.server === null) throw new Error('a relay without a proven login')
  handle.loggedIn = true
  return carry(secured, login.rest, proven.server, proven.backend, house, stop)
}

/** The relay, until one side ends. */
function carry(
  secured: Secured,
  rest: Buffer,
  server: Proven,
  backend: BackendPlan | null,
  house: House,
  stop: AbortSignal,
): Promise<End> {
  return relay(secured.socket, server.socket, {
    fromClient: rest,
    fromServer: server.leftover,
    pipelining: backend?.capabilities?.some((line) => line.toUpperCase() === 'PIPELINING') === true,
    idleMs: house.snapshot().limits.idleTimeMs,
    stop,
    progress: (delta) => {
      house.relayed(delta)
    },
  })
}

type Judged = { verdict: LoginVerdict; server: Proven | null; backend: BackendPlan | null }

const turnedDown = (verdict: LoginVerdict): Judged => ({ verdict, server: null, backend: null })
const TROUBLED = turnedDown({ say: 'trouble', line: TROUBLE })

/**
 * One login: the keeper checks the second factor, the old server the password, and the keeper's word after that decides.
 * Whatever fails on the way is `trouble`, never a welcome.
 */
async function judge(attempt: Attempt, id: string, house: House, gone: AbortSignal): Promise<Judged> {
  try {
    const user = attempt.user
    const answer = await house.keeper.authenticate({ session: id, user, secret: reveal(attempt.password) })
    if (answer.say === 'refuse') return await refuseAfter(answer.holdMs, gone)
    if (answer.say === 'trouble') return TROUBLED
    return await prove(answer, id, house, gone)
  } catch (error) {
    house.log('warn', `session ${id}: login not judged: ${error instanceof Error ? error.message : String(error)}`)
    return TROUBLED
  }
}

/** The old server proves the password; then the keeper settles the attempt. */
async function prove(
  answer: Extract<AuthenticateAnswer, { say: 'proceed' }>,
  id: string,
  house: House,
  gone: AbortSignal,
): Promise<Judged> {
  const { token } = answer
  const plan = house.backend(answer.backend)
  if (plan === null) {
    const outcome = { at: 'unavailable', detail: 'this front does not know the backend' } as const
    await house.keeper.settle({ session: id, token, outcome })
    return TROUBLED
  }
  const [username, password] = [Buffer.from(answer.username), Buffer.from(answer.password)]
  const login = await loginBackend({ plan, username, password, signal: gone })
  // Nobody was refused and nobody is there to be let in: the end of the connection gives back what it held.
  const isMoot = gone.aborted && (login.at === 'proven' || login.at === 'unavailable')
  const settled = isMoot ? GONE : await settleOrLetGo({ session: id, token, outcome: outcomeOf(login) }, login, house)
  if (login.at === 'proven') {
    if (settled.say === 'welcome' && !gone.aborted) {
      return { verdict: { say: 'welcome', words: login.words }, server: login, backend: plan }
    }
    login.socket.destroy()
    return TROUBLED
  }
  if (settled.say === 'refuse') return await refuseAfter(settled.holdMs, gone)
  return login.at === 'refuted' ? TROUBLED : turnedDown({ say: 'trouble', line: login.words })
}

const GONE: SettleAnswer = { say: 'trouble' }

/** A keeper that cannot settle must not leave a mailbox open behind it. */
async function settleOrLetGo(
  question: Parameters<ToKeeper['settle']>[0],
  login: BackendLogin,
  house: House,
): Promise<SettleAnswer> {
  try {
    return await house.keeper.settle(question)
  } catch (error) {
    if (login.at === 'proven') login.socket.destroy()
    throw error
  }
}

/** Every refusal takes the same time, whatever its cause. */
async function refuseAfter(holdMs: number, gone: AbortSignal): Promise<Judged> {
  await delay(holdMs, undefined, { signal: gone }).catch(() => undefined)
  return turnedDown({ say: 'refuse' })
}

/** CAPA before login: with one backend its list; with several what all of them can, as the domain is not known yet. */
function offered(plans: BackendPlan[]): readonly string[] | null {
  const known = plans.map((plan) => plan.capabilities)
  const [first, ...others] = known
  if (first === undefined || first === null) return null
  return first.filter((line) => others.every((lines) => lines === null || lines.includes(line)))
}
