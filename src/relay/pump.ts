/**
 * The relay: carries a proven session between the client and the old server until one of them ends it. It holds the promise
 * that no mail is lost: the server is closed without QUIT unless the client's own QUIT was sent on, and then it is waited for.
 */
import type { Duplex } from 'node:stream'
import type { Ending, SessionCounts } from '../audit/events.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { AFTER_QUIT_MS, CLIENT_ENDED_MS, LINGER_MS, QUIT_DEADLINE_MS } from '../base/limits.ts'
import {
  clientEnded,
  clientSent,
  clientVanished,
  drained,
  hasRoom,
  readOn,
  reasonOf,
  serverEnded,
  serverFailed,
  serverSent,
  silence,
  stopped,
  toClient,
  written,
  type Run,
} from './course.ts'
import { createDialogue } from './dialogue.ts'
import type { MailWatch } from './mail-seen.ts'
import { watchSilence } from './silence.ts'
import type { Source } from './source.ts'

/** What was carried since the last report: octets each way, messages retrieved, deletions confirmed. */
export type Progress = { toClient: number; fromClient: number; retrieved: number; deleted: number }

/** Milliseconds. `ended`: silence once the client has closed its side. `quit`: silence after a forwarded QUIT. `afterQuit`: from its answer to the server's close. */
export type RelayDeadlines = { ended: number; quit: number; afterQuit: number; linger: number }

const DEADLINES: RelayDeadlines = {
  ended: CLIENT_ENDED_MS,
  quit: QUIT_DEADLINE_MS,
  afterQuit: AFTER_QUIT_MS,
  linger: LINGER_MS,
}

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
  /** Told of each message that is retrieved or deleted. */
  mail?: MailWatch | undefined
  clock?: Clock
  deadlines?: Partial<RelayDeadlines>
}

export type Relayed = { reason: Ending; counts: SessionCounts }

/**
 * Needs both sides, logged in, with nothing reading them; half-open is allowed on the server's. Resolves when the server's
 * is destroyed and the client's is gone. Rejects for a bug alone; both sockets are destroyed then too.
 */
export async function relay(client: Duplex, source: Source, options: RelayOptions): Promise<Relayed> {
  const clock = options.clock ?? systemClock
  const started = clock.monotonic()
  const { promise: over, resolve, reject } = Promise.withResolvers<null>()
  const run = prepare(client, source, options, { end: resolve, fail: reject })
  // Without it Node answers the client's FIN with ours, and the replies still under way are lost.
  client.allowHalfOpen = true
  listen(run)
  obey(run, options.stop)
  catchUp(run, options)
  await over
  await run.parted
  const { retrieved, deleted, marked } = run.dialogue.tally()
  const { toClient: bytesToClient, fromClient: bytesFromClient } = run.bytes
  const durationMs = clock.monotonic() - started
  return { reason: reasonOf(run), counts: { bytesToClient, bytesFromClient, retrieved, deleted, marked, durationMs } }
}

function prepare(client: Duplex, source: Source, options: RelayOptions, ends: Pick<Run, 'end' | 'fail'>): Run {
  const server = source.socket
  const deadlines = { ...DEADLINES, ...options.deadlines }
  const carried = (delta: Partial<Progress>) => {
    options.progress({ toClient: 0, fromClient: 0, retrieved: 0, deleted: 0, ...delta })
  }
  const dialogue = createDialogue({
    pipelining: options.pipelining,
    toClient: (bytes) => {
      toClient(run, bytes)
    },
    toServer: (line) => void server.write(line),
    hasRoom: () => hasRoom(run),
    counted: (before, after) => {
      carried({ retrieved: after.retrieved - before.retrieved, deleted: after.deleted - before.deleted })
    },
    unasked: () => options.unasked?.(),
    mail: options.mail,
  })
  const watch = watchSilence(dialogue, { idle: options.idleMs, ...deadlines }, () => {
    guard(run, silence)
  })
  const parting = { flushMs: options.idleMs, lingerMs: deadlines.linger, parted: Promise.resolve() }
  const state = {
    clientSide: 'open',
    reason: null,
    isOver: false,
    owed: 0,
    isLending: false,
    bytes: { toClient: 0, fromClient: 0 },
  } as const
  const lending = {
    source,
    written: () => {
      written(run)
    },
  }
  const run: Run = { client, server, ...lending, dialogue, watch, carried, ...parting, ...state, ...ends }
  return run
}

function listen(run: Run): void {
  const { client, server, source } = run
  const on = (handle: (run: Run) => void) => () => {
    guard(run, handle)
  }
  const onData = (handle: (run: Run, chunk: Buffer) => void) => (chunk: Buffer) => {
    guard(run, () => {
      handle(run, chunk)
    })
  }
  client.on('data', onData(clientSent)).on('end', on(clientEnded)).on('drain', on(drained))
  client.on('error', on(clientVanished)).on('close', on(clientVanished))
  source.flow(onData(serverSent))
  server.on('end', on(serverEnded)).on('drain', on(drained))
  server.on('error', on(serverFailed)).on('close', on(serverFailed))
}

function obey(run: Run, stop: AbortSignal): void {
  const obeyed = () => {
    guard(run, () => {
      stopped(run, stop.reason as Ending)
    })
    // Whoever stops the session does not wait for a client that is slow to take its last words either.
    if (run.isOver) setTimeout(() => run.client.destroy(), run.lingerMs).unref()
  }
  if (stop.aborted) obeyed()
  else stop.addEventListener('abort', obeyed, { once: true })
}

/** Takes in what happened before anybody listened. */
function catchUp(run: Run, { fromServer, fromClient }: RelayOptions): void {
  const { client, server } = run
  guard(run, () => {
    if (fromServer.length > 0) serverSent(run, fromServer)
    if (fromClient.length > 0) clientSent(run, fromClient)
  })
  if (client.destroyed) guard(run, clientVanished)
  else if (client.readableEnded) guard(run, clientEnded)
  if (server.destroyed) guard(run, serverFailed)
  else if (server.readableEnded) guard(run, serverEnded)
  guard(run, drained)
  readOn(run)
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
