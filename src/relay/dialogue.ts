/**
 * The dialogue after login, without its sockets: which lines go to the old server, what Postern answers itself, and in what
 * order. Nothing is ever said to the server but the client's own lines: an invented QUIT, DELE or RSET costs mail.
 */
import { CAPA_REPLY_MAX, UNANSWERED_MAX } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { capabilitiesBeforeLogin, capaReply, filterCapabilities } from '../pop3/capabilities.ts'
import { readSessionLine } from '../pop3/command.ts'
import { lineReader } from '../pop3/line-reader.ts'
import { NOT_CARRIED, NOT_UNDERSTOOD, TOO_LONG, readStatus } from '../pop3/reply.ts'
import { createFollower, type Finished } from './follower.ts'
import { createMailSeen, messageNumber, type MailWatch } from './mail-seen.ts'
import { NOTHING_DONE, tallied, type Tally } from './tally.ts'

export type DialogueOptions = {
  /** The old server takes commands before it has answered those sent (RFC 2449 section 6.6). */
  pipelining: boolean
  toClient(bytes: Buffer): void
  toServer(bytes: Buffer): void
  /** False while either side has to catch up: then no further line is taken. */
  hasRoom(): boolean
  /** The tally changed. */
  counted(before: Tally, after: Tally): void
  /** The server spoke unasked. Called for each run of such bytes. */
  unasked(): void
  /** Told of each message. */
  mail?: MailWatch | undefined
}

export type Dialogue = {
  /** Bytes of the client. What cannot go on yet is held: at UNREAD_PAUSE in `unread` the caller stops reading. */
  fromClient(chunk: Buffer): void
  /** Bytes of the server: passed on as they are, but for the reply to CAPA. */
  fromServer(chunk: Buffer): void
  /** Takes held lines as far as they may go. To be called when there is room again. */
  proceed(): void
  /** The client reads no more: what it said and was not sent on is forgotten, and messages still to come are not retrieved. */
  forget(): void
  /** Octets of the client held. */
  unread(): number
  /** True when everything sent on or refused has been answered. */
  isAnswered(): boolean
  /** A reply of many lines is awaited, or under way. */
  isLong(): boolean
  /** True inside a reply or a line of the server: a byte put in here would become part of a message. */
  isMidReply(): boolean
  /** `sent`: the server has it and may be deleting. */
  quit(): 'none' | 'sent' | 'answered'
  tally(): Tally
}

/** A reply of our own that waits until so many forwarded commands are answered. */
type Waiting = { after: number; reply: string }

/** Makes the dialogue of one session, just logged in. */
export function createDialogue(options: DialogueOptions): Dialogue {
  const { toClient, toServer } = options
  const reader = lineReader()
  const follower = createFollower()
  const capa = collector()
  const seen = createMailSeen(options.mail ?? null)
  const most = options.pipelining ? UNANSWERED_MAX : 1
  let waiting: Waiting[] = []
  let sent = 0
  let answered = 0
  let quit: 'none' | 'sent' | 'answered' = 'none'
  let tally = NOTHING_DONE
  let isForgotten = false

  const say = () => {
    while (follower.between() && waiting[0] !== undefined && waiting[0].after <= answered) {
      toClient(Buffer.from(waiting.shift()?.reply ?? '', 'latin1'))
    }
  }
  const refuse = (reply: string) => {
    waiting.push({ after: sent, reply })
    say()
  }
  const take = (line: Buffer) => {
    const read = readSessionLine(line)
    switch (read.say) {
      case 'carry':
        follower.expect({ verb: read.verb, multiLine: read.reply === 'multi', number: messageNumber(read.line) })
        sent++
        if (read.verb === 'QUIT') quit = 'sent'
        toServer(Buffer.concat([read.line, CRLF]))
        return
      case 'refuse':
        refuse(NOT_CARRIED)
        return
      case 'fault':
        refuse(NOT_UNDERSTOOD)
        return
      default:
        never(read)
    }
  }
  const isAnswered = () => follower.pending() === 0 && waiting.length === 0
  // Behind a QUIT nothing is taken until it is known whether the session goes on.
  const mayTake = () => quit === 'none' && follower.pending() + waiting.length < most && options.hasRoom()
  const proceed = () => {
    while (mayTake()) {
      const next = reader.next('command')
      if (next.got === 'none') return
      if (next.got === 'line') take(next.line)
      else refuse(TOO_LONG)
    }
  }
  const finished = (reply: Finished) => {
    answered++
    // A server that refuses QUIT has deleted nothing and may listen on: so does this dialogue.
    if (reply.command.verb === 'QUIT') quit = reply.ok ? 'answered' : 'none'
    const before = tally
    if (!isForgotten || reply.command.verb !== 'RETR') {
      tally = tallied(before, reply)
      seen.finished(reply)
    }
    if (tally !== before) options.counted(before, tally)
  }

  const pass = (chunk: Buffer) => {
    /** Start of the run that is passed on in one piece. */
    let from = 0
    const flush = (to: number) => {
      if (to > from) toClient(chunk.subarray(from, to))
      from = to
    }
    for (let at = 0; at < chunk.length;) {
      const { end, command, finished: reply } = follower.advance(chunk, at)
      if (command === null) options.unasked()
      else seen.run(command, chunk.subarray(at, end))
      if (command?.verb === 'CAPA') {
        flush(at)
        // Held longer than the chunk is lent.
        capa.add(Buffer.from(chunk.subarray(at, end)))
        from = end
      }
      at = end
      if (reply !== null) finished(reply)
      if (reply?.command.verb === 'CAPA') toClient(capa.take())
      if (waiting.length > 0 && follower.between()) {
        flush(at)
        say()
      }
    }
    flush(chunk.length)
  }

  return {
    fromClient(chunk) {
      reader.push(chunk)
      proceed()
    },
    fromServer(chunk) {
      pass(chunk)
      proceed()
    },
    proceed,
    forget() {
      isForgotten = true
      reader.clear()
      waiting = []
    },
    unread: () => reader.size(),
    isAnswered,
    isLong: follower.isLong,
    isMidReply: () => !follower.between(),
    quit: () => quit,
    tally: () => tally,
  }
}

const CRLF = Buffer.from('\r\n')

/** Holds a reply to CAPA until it is whole. */
function collector(): { add(bytes: Buffer): void; take(): Buffer } {
  let parts: Buffer[] = []
  let size = 0
  return {
    add(bytes) {
      size += bytes.length
      if (size <= CAPA_REPLY_MAX) parts.push(bytes)
    },
    take() {
      const whole = size <= CAPA_REPLY_MAX ? Buffer.concat(parts) : null
      parts = []
      size = 0
      return Buffer.from(capaReply(capabilitiesOf(whole)), 'latin1')
    },
  }
}

/** What the server can, less what Postern does not carry. A server without CAPA, or one that floods it: what every server can. */
function capabilitiesOf(reply: Buffer | null): string[] {
  const [first = '', ...lines] = reply?.toString('latin1').split(/\r?\n/) ?? []
  const ok = readStatus(Buffer.from(first, 'latin1'))?.ok === true
  return filterCapabilities(ok ? lines.slice(0, lines.lastIndexOf('.')) : capabilitiesBeforeLogin(null, 'on'))
}
