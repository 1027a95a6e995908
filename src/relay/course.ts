/**
 * The course of one session: what each thing that happens to either socket leads to. Here stands when the server is closed, and
 * that it is never closed while it may be deleting what the client told it to delete.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Ending } from '../audit/events.ts'
import { UNREAD_PAUSE } from '../base/limits.ts'
import type { Dialogue } from './dialogue.ts'
import { breakOff, part } from '../base/parting.ts'
import type { SilenceWatch } from './silence.ts'
import type { Source } from './source.ts'

/** One session under way. */
export type Run = {
  readonly client: Duplex
  readonly server: Socket
  /** Where the server's octets come from, a chunk at a time. */
  readonly source: Source
  /** What each write of a lent chunk calls back. */
  readonly written: () => void
  /** Writes of the last lent chunk that have not called back: until they have, its buffer is theirs. */
  owed: number
  /** A lent chunk is being passed on. */
  isLending: boolean
  /** Milliseconds: how long the last words may take to be written where they are wanted, and to be read. */
  readonly flushMs: number
  readonly lingerMs: number
  readonly dialogue: Dialogue
  readonly watch: SilenceWatch
  readonly bytes: { toClient: number; fromClient: number }
  /** Told of octets as they pass. */
  readonly carried: (delta: { toClient: number } | { fromClient: number }) => void
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

/** Octets of the client. */
export function clientSent(run: Run, chunk: Buffer): void {
  if (run.clientSide === 'gone') return
  run.bytes.fromClient += chunk.length
  run.carried({ fromClient: chunk.length })
  run.watch.alive()
  run.server.cork()
  run.dialogue.fromClient(chunk)
  run.server.uncork()
  review(run)
}

/** An orderly end: what it sent in whole lines still counts, and it may be waiting for the replies. */
export function clientEnded(run: Run): void {
  if (run.clientSide !== 'open') return
  because(run, 'client-closed')
  run.clientSide = 'ended'
  run.watch.clientEnded()
  review(run)
}

/** It is gone without a word: a QUIT of its that is not yet sent on is not sent any more. */
export function clientVanished(run: Run): void {
  if (run.clientSide === 'gone') return
  because(run, 'client-reset')
  leave(run, breakOff(run.client))
  review(run)
}

/** Octets of the server. */
export function serverSent(run: Run, chunk: Buffer): void {
  run.watch.alive()
  run.server.cork()
  run.isLending = run.source.isLent()
  run.dialogue.fromServer(chunk)
  run.isLending = false
  run.server.uncork()
  if (!mayRead(run)) run.source.halt()
  review(run)
}

/** A write of the last lent chunk is done; behind the last of them the next chunk may come. */
export function written(run: Run): void {
  run.owed -= 1
  if (run.owed > 0 || run.isLending || run.isOver) return
  fit(run)
  readOn(run)
}

/** Nothing of what was lent is on its way, and the client, if there is one, takes more. */
function mayRead({ owed, clientSide, client }: Run): boolean {
  return owed === 0 && (clientSide === 'gone' || !client.writableNeedDrain)
}

/** Lets the next chunk come, once that may be. */
export function readOn(run: Run): void {
  if (mayRead(run)) run.source.go()
}

/** Large buffers are for long replies, and go back as soon as nothing of them is on its way. */
function fit({ dialogue, source, owed }: Run): void {
  if (dialogue.isLong()) source.widen()
  else source.narrow()
  if (owed === 0) source.reclaim()
}

/** The server said its last word: nothing is invented for what it left unanswered. */
export function serverEnded(run: Run): void {
  because(run, 'server-closed')
  finish(run)
}

/** What was read before the reset, and held back, is passed on all the same. What the system held is lost, and the client sees the reply broken off. */
export function serverFailed(run: Run): void {
  for (let rest = run.source.rest(); rest !== null; rest = run.source.rest()) run.dialogue.fromServer(rest)
  because(run, 'server-reset')
  finish(run)
}

/** A socket that was full has room again. */
export function drained(run: Run): void {
  run.watch.alive()
  run.server.cork()
  run.dialogue.proceed()
  run.server.uncork()
  readOn(run)
  review(run)
}

/** Nothing has moved for too long. */
export function silence(run: Run): void {
  const quit = run.dialogue.quit()
  if (quit === 'answered') {
    finish(run)
    return
  }
  // ATTACK: a client that takes nothing would keep the server from ever answering the QUIT behind it.
  const isStuck = run.clientSide !== 'gone' && (run.owed > 0 || run.client.writableNeedDrain)
  because(run, quit === 'sent' && !isStuck ? 'quit-timeout' : 'idle-timeout')
  if (quit !== 'sent' || !isStuck) {
    finish(run)
    return
  }
  letGo(run)
  run.watch.restart()
}

/** Somebody ends the session from outside. A QUIT sent on is waited for; the client is not. */
export function stopped(run: Run, why: Ending): void {
  because(run, why)
  if (run.dialogue.quit() !== 'sent') finish(run)
  else if (run.clientSide !== 'gone') letGo(run)
}

/** What follows from all that is known now. */
function review(run: Run): void {
  if (run.isOver) return
  const { client, dialogue } = run
  run.watch.look()
  fit(run)
  if (dialogue.unread() >= UNREAD_PAUSE) client.pause()
  else if (client.isPaused()) client.resume()
  const quit = dialogue.quit()
  if (quit === 'sent' || run.clientSide === 'open') return
  // Some servers answer QUIT first and rewrite the mailbox then: a FIN does not disturb them, a RST might.
  if (quit === 'answered') run.server.end()
  else if (run.clientSide === 'gone') finish(run)
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
  const { client, lingerMs } = run
  const flushMs = isQuieterThanQuit(run.reason) ? run.flushMs : lingerMs
  leave(run, run.dialogue.isMidReply() ? breakOff(client) : part(client, { flushMs, lingerMs }))
}

function leave(run: Run, parted: Promise<void>): void {
  run.clientSide = 'gone'
  run.parted = parted
  run.dialogue.forget()
  readOn(run)
}

/** Octets for the client. What it does not take holds the server back: nothing more is read before it has. */
export function toClient(run: Run, bytes: Buffer): void {
  if (run.clientSide === 'gone') return
  run.bytes.toClient += bytes.length
  run.carried({ toClient: bytes.length })
  if (!run.isLending) return void run.client.write(bytes)
  run.owed += 1
  run.client.write(bytes, run.written)
}

/** Neither side has to catch up. */
export function hasRoom({ client, server }: Run): boolean {
  return !client.writableNeedDrain && !server.writableNeedDrain
}

function because(run: Run, reason: Ending): void {
  run.reason ??= reason
}

/** Who closes first around a QUIT that the server confirmed is no news. */
function isQuieterThanQuit(reason: Ending | null): boolean {
  return reason === null || ['client-closed', 'client-reset', 'server-closed', 'server-reset'].includes(reason)
}

/** How the session ended. Only true once it is over. */
export function reasonOf(run: Run): Ending {
  if (run.dialogue.quit() === 'answered' && isQuieterThanQuit(run.reason)) return 'quit'
  return run.reason ?? 'internal-error'
}
