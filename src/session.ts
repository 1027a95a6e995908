/**
 * THE STORY: one connection, from accept to its last audit event.
 *
 *     whose it is (PROXY header) -> the gate (in memory) -> a place from the keeper (rates, ceilings) -> TLS -> the dialogue,
 *     where each login is judged by the keeper (second factor) and then by the old server (password) -> the relay -> the end
 *
 * Every way out tells the keeper how it ended, and the keeper writes the audit. A bug anywhere in here is caught here, once:
 * it ends this connection, and lets nobody in.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { judge } from './attempt.ts'
import { arrive, LAST_WORDS, sayDenied, type Arrival, type Peer } from './arrival.ts'
import type { Ending, SessionCounts } from './audit/events.ts'
import type { Clock } from './base/clock.ts'
import { ignore } from './base/ignore.ts'
import { parseAddress, type Address } from './base/ip.ts'
import type { Level } from './base/log.ts'
import { part } from './base/parting.ts'
import type { Budget, Handle } from './front/budget.ts'
import type { DenialReport } from './front/denial-report.ts'
import type { Held } from './front/held.ts'
import { mailReport, type MailReport } from './front/mail-report.ts'
import type { Ask, Terminator } from './front/tls.ts'
import type { ToKeeper } from './front/to-keeper.ts'
import { earlyVerdict } from './gate/gate.ts'
import type { AdmitAnswer, BackendPlan, ListenerPlan, Snapshot } from './keeper/messages.ts'
import { runLogin } from './login/run.ts'
import { inCommon } from './pop3/capabilities.ts'
import type { LoginRequest, Proven } from './relay/backend.ts'
import type { Client } from './relay/introduction.ts'
import { relay, type Progress } from './relay/pump.ts'

/** What a front offers each connection. */
export type House = {
  clock: Clock
  keeper: ToKeeper
  connections: Budget
  /** Those of them that are turned away with words. */
  turnedAway: Budget
  denials: DenialReport
  held: Held
  snapshot(): Snapshot
  tls(): Terminator
  backend(name: string): BackendPlan | null
  anyBackend(): BackendPlan[]
  isLeaving(): boolean
  relayed(progress: Progress): void
  noisy: LoginRequest['noisy']
  log(level: Level, text: string): void
}

/** Who has a place, and whether the listener asks for a certificate. */
type Guest = Client & { ask: Ask }

/** How a connection ended. Counts only where a login was proven. */
type End = { reason: Ending; counts?: SessionCounts }

/** Of a session whose client left between the proof and the first command. */
const NOTHING = { bytesToClient: 0, bytesFromClient: 0, retrieved: 0, deleted: 0, marked: 0, durationMs: 0 }

/** Takes an accepted socket through all stations. Never rejects. */
export async function session(socket: Socket, listener: ListenerPlan, house: House): Promise<void> {
  const stop = new AbortController()
  const handle: Handle = {
    loggedIn: false,
    stop: (reason) => {
      stop.abort(reason)
    },
  }
  socket.on('error', ignore)
  try {
    const end = parseAddress(socket.remoteAddress ?? '')
    if (end === null) return
    const port = socket.remotePort ?? 0
    if (!house.connections.enter(handle, house.snapshot().limits.connections)) {
      const by = { file: 'postern.yaml', line: 0, rule: 'limits.connections' }
      house.denials.note(end, { listener: listener.name, ip: end.text, port, by, would: false })
      return
    }
    const arrival = await arrive(socket, { address: end, port }, listener, house, stop.signal)
    if (arrival === null) return
    const { address, peer, source, destination } = arrival
    if (await isTurnedAway(socket, listener, arrival, house, stop.signal)) return
    const place = await placeFor(address, peer, house)
    if (place.say === 'denied' && place.mayHear) await sayDenied(socket, listener, house, stop.signal)
    if (place.say !== 'admitted') return
    house.connections.named(place.session, handle)
    const ask = listener.clientCertificates ? 'certificate' : 'no-certificate'
    const client: Guest = { session: place.session, source, destination, ask }
    const ended = await converse(socket, listener, client, house, handle, stop.signal).catch((bug: unknown): End => {
      house.log('error', `session ${place.session}: ${bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)}`)
      return { reason: 'internal-error' }
    })
    house.keeper.tell({ kind: 'closed', session: place.session, ...ended })
  } catch (error) {
    house.log('error', `connection: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    socket.destroy()
    house.turnedAway.leave(handle)
    house.connections.leave(handle)
  }
}

/**
 * The gate, before anything costs anything. With `on_deny: say` the refusal is spoken, inside TLS. `unsure` is our own
 * trouble and always spoken: nobody gets in on it, and nobody is told to stay away.
 */
async function isTurnedAway(
  socket: Socket,
  listener: ListenerPlan,
  { address, peer }: Arrival,
  house: House,
  stop: AbortSignal,
): Promise<boolean> {
  const { gate } = house.snapshot()
  const { verdict, would } = earlyVerdict(gate, address, house.clock.now())
  for (const by of would) house.denials.note(address, { ...peer, by, would: true })
  if (verdict.say === 'pass' || verdict.say === 'admit') return false
  house.denials.note(address, { ...peer, by: verdict.by, would: false })
  await sayDenied(socket, listener, house, stop, verdict.say === 'unsure' ? 'unsure' : 'denied')
  return true
}

/** Asks the keeper, unless it said a moment ago what its answer would be. */
async function placeFor(address: Address, peer: Peer, house: House): Promise<AdmitAnswer> {
  const by = house.held.by(peer.ip, house.clock.monotonic())
  if (by !== null) {
    house.denials.note(address, { ...peer, by, would: false })
    return { say: 'denied', mayHear: true, by, afterMs: 0 }
  }
  const place = await house.keeper.admit(peer)
  if (place.say === 'denied') house.held.add(peer.ip, place.by, place.afterMs, house.clock.monotonic())
  return place
}

/** TLS on the connection, right away or behind STLS. Gives null when it failed; the keeper has heard of it then. */
async function secure(
  socket: Socket,
  { session, ask }: Guest,
  house: House,
  stop: AbortSignal,
  late: AbortSignal[] = [],
): Promise<Socket | null> {
  const secured = await house.tls().secure(socket, [stop, ...late], ask)
  if (secured.at === 'failed') {
    // A handshake that we ended ourselves has not failed.
    if (!stop.aborted) house.keeper.tell({ kind: 'tls-failed', session, reason: secured.reason })
    socket.destroy()
    return null
  }
  secured.socket.on('error', ignore)
  const { facts: tls, client, handshakeMs } = secured
  house.keeper.tell({ kind: 'secured', session, tls, client, handshakeMs })
  return secured.socket
}

/** From the first byte of TLS, or of what comes before STLS, to the last byte of mail. */
async function converse(
  socket: Socket,
  listener: ListenerPlan,
  client: Guest,
  house: House,
  handle: Handle,
  stop: AbortSignal,
): Promise<End> {
  const id = client.session
  const bare = listener.tls === 'stls'
  const first = bare ? socket : await secure(socket, client, house, stop)
  if (first === null) return { reason: stop.aborted ? (stop.reason as Ending) : 'client-closed' }

  const proven: { server: Proven | null; backend: BackendPlan | null } = { server: null, backend: null }
  const { limits } = house.snapshot()
  const login = await runLogin(first, {
    server: inCommon(house.anyBackend().map(({ capabilities }) => capabilities)),
    deadlineMs: limits.loginTimeMs,
    stop,
    startTls: bare ? (late) => secure(socket, client, house, stop, [late]) : null,
    violation: (reason) => {
      house.keeper.tell({ kind: 'violation', session: id, reason })
    },
    judge: async (attempt, gone) => {
      const judged = await judge(attempt, client, house, gone)
      if (judged.server !== null) Object.assign(proven, judged)
      return judged.verdict
    },
  })
  if (login.at === 'over') {
    proven.server?.source.socket.destroy()
    await part(login.client, LAST_WORDS)
    const reason = login.reason === 'violation' ? 'too-many-failures' : login.reason
    return { reason, ...(proven.server && { counts: NOTHING }) }
  }
  if (proven.server === null) throw new Error('a relay without a proven login')
  handle.loggedIn = true
  const mail = house.snapshot().messages ? mailReport(id, house.keeper.tell) : null
  const end = await carry(login.client, login.rest, proven.server, proven.backend, house, stop, mail)
  mail?.flush()
  return end
}

/** The relay, until one side ends. */
function carry(
  client: Duplex,
  rest: Buffer,
  server: Proven,
  backend: BackendPlan | null,
  house: House,
  stop: AbortSignal,
  mail: MailReport | null,
): Promise<End> {
  return relay(client, server.source, {
    fromClient: rest,
    fromServer: server.leftover,
    pipelining: backend?.capabilities?.some((line) => line.toUpperCase() === 'PIPELINING') === true,
    idleMs: house.snapshot().limits.idleTimeMs,
    stop,
    progress: (delta) => {
      house.relayed(delta)
    },
    mail: mail ?? undefined,
  })
}
