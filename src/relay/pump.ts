/**
 * The relay: carries a proven session between the client and the old server until one of them ends it. It holds the promise
 * that no mail is lost: the server is closed without QUIT unless the client's own QUIT was sent on, and then it is waited for.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Ending, SessionCounts } from '../audit/events.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { AFTER_QUIT_MS, LINGER_MS, QUIT_DEADLINE_MS, UNREAD_PAUSE } from '../base/limits.ts'
import { createDialogue, type Dialogue } from './dialogue.ts'
import { breakOff, part } from './parting.ts'
import { watchSilence, type SilenceWatch } from './silence.ts'

/** What was carried since the last report: octets each way, messages retrieved, deletions confirmed. */
export type Progress = { toClient: number; fromClient: number; retrieved: number; deleted: number }

/** Milliseconds. `quit`: silence after a forwarded QUIT. `afterQuit`: from its answer to the server's close. */
export type RelayDeadlines = { quit: number; afterQuit: number; linger: number }

const DEADLINES: RelayDeadlines = { quit: QUIT_DEADLINE_MS, afterQuit: AFTER_QUIT_MS, linger: LINGER_MS }

export type RelayOptions = {
  /** What each side has sent behind the login. */
  fromClient: Buffer
  fromServer: Buffer
  /** The old server lists PIPELINING. */
  pipelining: boolean
  /** So long neither side has sent or taken an octet: the session ends, without QUIT and without a word (RFC 1939 section 3). */
  idleMs: number
  /** Aborts, with an Ending as its reason, when the session is to end from outside. A forwarded QUIT is still waited for. */
  stop: AbortSignal
  progress(delta: Progress): void
  /** The server spoke unasked, as at an autologout. Called for each run of such octets. */
  unasked?: () => void
  clock?: Clock
  deadlines?: Partial<RelayDeadlines>
}

export type Relayed = { reason: Ending; counts: SessionCounts }

/** One session under way. */
type Run = {
  readonly client: Duplex
  readonly server: Socket
  readonly options: RelayOptions
  readonly deadlines: RelayDeadlines
  readonly dialogue: Dialogue
  readonly watch: SilenceWatch
  readonly bytes: { toClient: number; fromClient: number }
  /** `ended`: it will send no more, and still reads. `gone`: nothing is written to it any more. */
  clientSide: 'open' | 'ended' | 'gone'
  /** The first cause; later ones are its consequences. */
  reason: Ending | null
  isOver: boolean
  /** Resolves when the client's socket is gone. */
  parted: Promise<void>
  end(nothing: null): void
  fail(bug: unknown): void
}

/**
 * Needs both sockets, logged in, with nothing reading them; half-open is allowed on the server's. Resolves when the server's
 * is destroyed and the client's is gone. Rejects for a bug alone; both sockets are destroyed then too.
 */
export async function relay(client: Duplex, server: Socket, options: RelayOptions): Promise<Relayed> {
  const clock = options.clock ?? systemClock
  const started = clock.monotonic()
  const { promise: over, resolve, reject } = Promise.withResolvers<null>()
  const run = prepare(client, server, options, { end: resolve, fail: reject })
  begin(run)
  await over
  await run.parted
  const { retrieved, deleted, marked } = run.dialogue.tally()
  const { toClient: bytesToClient, fromClient: bytesFromClient } = run.bytes
  const durationMs = clock.monotonic() - started
  return { reason: reasonOf(run), counts: { bytesToClient, bytesFromClient, retrieved, deleted, marked, durationMs } }
}

function prepare(client: Duplex, server: Socket, options: RelayOptions, ends: Pick<Run, 'end' | 'fail'>): Run {
  const deadlines = { ...DEADLINES, ...options.deadlines }
  const dialogue = createDialogue({
    pipelining: options.pipelining,
    toClient: (bytes) => {
      toClient(run, bytes)
    },
    toServer: (line) => void server.write(line),
    hasRoom: () => hasRoom(run),
    counted: (before, after) => {
      report(run, { retrieved: after.retrieved - before.retrieved, deleted: after.deleted - before.deleted })
    },
    unasked: () => options.unasked?.(),
  })
  const watch = watchSilence(dialogue, { idle: options.idleMs, ...deadlines }, () => {
    guard(run, silence)
  })
  const bytes = { toClient: 0, fromClient: 0 }
  const parted = Promise.resolve()
  const state = { clientSide: 'open', reason: null, isOver: false, parted } as const
  const run: Run = { client, server, options, deadlines, dialogue, watch, bytes, ...state, ...ends }
  return run
}

/** Listens to both sockets, and takes in what happened before it did. */
function begin(run: Run): void {
  const { client, server, options } = run
  const on = (handle: (run: Run) => void) => () => {
    guard(run, handle)
  }
  client.on('data', (chunk: Buffer) => {
    guard(run, () => {
      clientSent(run, chunk)
    })
  })
  server.on('data', (chunk: Buffer) => {
    guard(run, () => {
      serverSent(run, chunk)
    })
  })
  client
    .on('end', on(clientEnded))
    .on('error', on(clientVanished))
    .on('close', on(clientVanished))
    .on('drain', on(drained))
  server.on('end', on(serverEnded)).on('error', on(serverFailed)).on('close', on(serverFailed)).on('drain', on(drained))
  // Without it Node answers the client's FIN with ours, and the replies still under way are lost.
  client.allowHalfOpen = true
  const stop = () => {
    // Whoever stops the session does not wait for a client that is slow to take its last words either.
    if (run.isOver) client.destroy()
    else guard(run, stopped)
  }
  if (options.stop.aborted) stop()
  else options.stop.addEventListener('abort', stop, { once: true })
  guard(run, () => {
    if (options.fromServer.length > 0) serverSent(run, options.fromServer)
    if (options.fromClient.length > 0) clientSent(run, options.fromClient)
  })
  if (client.destroyed) guard(run, clientVanished)
  else if (client.readableEnded) guard(run, clientEnded)
  if (server.destroyed) guard(run, serverFailed)
  else if (server.readableEnded) guard(run, serverEnded)
  guard(run, drained)
}

/** What happens after the end does not matter; a bug on the way ends the session, and nothing goes on half done. */
function guard(run: Run, handle: (run: Run) => void): void {
  if (run.isOver) return
  try {
    handle(run)
  } catch (bug) {
    run.isOver = true
    run.watch.stop()
    run.server.destroy()
    run.client.destroy()
    run.fail(bug)
  }
}

function clientSent(run: Run, chunk: Buffer): void {
  if (run.clientSide === 'gone') return
  run.bytes.fromClient += chunk.length
  report(run, { fromClient: chunk.length })
  run.watch.alive()
  run.server.cork()
  run.dialogue.fromClient(chunk)
  run.server.uncork()
  review(run)
}

/** An orderly end: what it sent in whole lines still counts, and it may be waiting for the replies. */
function clientEnded(run: Run): void {
  if (run.clientSide !== 'open') return
  because(run, 'client-closed')
  run.clientSide = 'ended'
  review(run)
}

/** It is gone without a word: a QUIT of its that is not yet sent on is not sent any more. */
function clientVanished(run: Run): void {
  if (run.clientSide === 'gone') return
  because(run, 'client-reset')
  leave(run, breakOff(run.client))
  review(run)
}

function serverSent(run: Run, chunk: Buffer): void {
  run.watch.alive()
  run.server.cork()
  run.dialogue.fromServer(chunk)
  run.server.uncork()
  review(run)
}

function serverEnded(run: Run): void {
  because(run, 'server-closed')
  finish(run)
}

/** What had arrived before the reset, and was held back for a slow client, is passed on all the same. */
function serverFailed(run: Run): void {
  for (let rest = run.server.read() as Buffer | null; rest !== null; rest = run.server.read() as Buffer | null) {
    run.dialogue.fromServer(rest)
  }
  because(run, 'server-reset')
  finish(run)
}

function drained(run: Run): void {
  run.watch.alive()
  if (!run.client.writableNeedDrain) run.server.resume()
  run.server.cork()
  run.dialogue.proceed()
  run.server.uncork()
  review(run)
}

function silence(run: Run): void {
  const quit = run.dialogue.quit()
  if (quit === 'answered') {
    finish(run)
    return
  }
  // ATTACK: a client that takes nothing would keep the server from ever answering the QUIT behind it.
  const isStuck = run.clientSide !== 'gone' && run.client.writableNeedDrain
  because(run, quit === 'sent' && !isStuck ? 'quit-timeout' : 'idle-timeout')
  if (quit !== 'sent' || !isStuck) {
    finish(run)
    return
  }
  letGo(run)
  run.watch.restart()
}

function stopped(run: Run): void {
  because(run, run.options.stop.reason as Ending)
  if (run.dialogue.quit() !== 'sent') finish(run)
  else if (run.clientSide !== 'gone') letGo(run)
}

/** What follows from all that is known now. */
function review(run: Run): void {
  if (run.isOver) return
  const { client, dialogue } = run
  run.watch.look()
  if (dialogue.unread() >= UNREAD_PAUSE) client.pause()
  else if (client.isPaused()) client.resume()
  const quit = dialogue.quit()
  if (quit === 'sent' || run.clientSide === 'open') return
  if (run.clientSide === 'gone') finish(run)
  else if (quit === 'answered') run.server.end()
  // With room on both sides every whole line has been taken; what is left is a line without its end.
  else if (dialogue.isAnswered() && hasRoom(run)) finish(run)
}

function finish(run: Run): void {
  run.isOver = true
  run.watch.stop()
  run.server.destroy()
  if (run.clientSide !== 'gone') letGo(run)
  run.end(null)
}

/** The client is let go, with its last words where no reply is under way. The server may still owe the answer to a QUIT. */
function letGo(run: Run): void {
  const { client, options, deadlines } = run
  const isWanted = isQuieterThanQuit(run.reason)
  const parting = { flushMs: isWanted ? options.idleMs : deadlines.linger, lingerMs: deadlines.linger }
  leave(run, run.dialogue.isMidReply() ? breakOff(client) : part(client, parting))
}

function leave(run: Run, parted: Promise<void>): void {
  run.clientSide = 'gone'
  run.parted = parted
  run.dialogue.forget()
  run.server.resume()
}

function toClient(run: Run, bytes: Buffer): void {
  if (run.clientSide === 'gone') return
  run.bytes.toClient += bytes.length
  report(run, { toClient: bytes.length })
  if (!run.client.write(bytes)) run.server.pause()
}

function hasRoom({ client, server }: Run): boolean {
  return !client.writableNeedDrain && !server.writableNeedDrain
}

function because(run: Run, reason: Ending): void {
  run.reason ??= reason
}

function report(run: Run, delta: Partial<Progress>): void {
  run.options.progress({ toClient: 0, fromClient: 0, retrieved: 0, deleted: 0, ...delta })
}

/** Who closes first around a QUIT that the server confirmed is no news. */
function isQuieterThanQuit(reason: Ending | null): boolean {
  return reason === null || ['client-closed', 'client-reset', 'server-closed', 'server-reset'].includes(reason)
}

function reasonOf(run: Run): Ending {
  if (run.dialogue.quit() === 'answered' && isQuieterThanQuit(run.reason)) return 'quit'
  return run.reason ?? 'internal-error'
}
