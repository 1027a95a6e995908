/** Asking an old server how it is and what it can. */
import { systemClock, type Clock } from '../base/clock.ts'
import {
  BACKEND_CHECK_QUIET_MS,
  BACKEND_PROBE_MS,
  BACKEND_TLS_MS,
  CAPABILITIES_MAX,
  REPLY_LINE_MAX,
} from '../base/limits.ts'
import type { BackendAddress, BackendPlan } from '../keeper/messages.ts'
import { readStatus } from '../pop3/reply.ts'
import type { Conversation } from './conversation.ts'
import { failureOf } from './failure.ts'
import { offersXclient, proxyHeader } from './introduction.ts'
import { openBackend } from './opening.ts'

/**
 * `capabilities`: the lines of CAPA as the server sent them; null when it has no CAPA. `xclient`: its greeting offers that. `noisy`:
 * it greets with more than one line.
 */
export type Probed =
  { at: 'up'; capabilities: string[] | null; xclient: boolean } | { at: 'down'; detail: string } | { at: 'noisy' }

export type ProbeOptions = { quietMs?: number; deadlineMs?: number; clock?: Clock }

/** Lines read of one CAPA reply. What is beyond CAPABILITIES_MAX is dropped; a server that never stops is down. */
const CAPA_LINES_MAX = 1_000

/**
 * Goes the way that logins go, asks CAPA, says QUIT, all within `deadlineMs`. Up means: it greets with one +OK, under TLS that checks
 * where the plan has TLS, and answers CAPA with anything of POP3, or closes at it, as some very old ones do with what they do not
 * know. Never throws.
 */
export async function probeBackend(
  address: BackendAddress,
  { tls, proxyProtocol, busyErrors }: Pick<BackendPlan, 'tls' | 'proxyProtocol' | 'busyErrors'>,
  { quietMs = BACKEND_CHECK_QUIET_MS, deadlineMs = BACKEND_PROBE_MS, clock = systemClock }: ProbeOptions = {},
): Promise<Probed> {
  const until = clock.monotonic() + deadlineMs
  const left = () => Math.max(0, until - clock.monotonic())
  const opened = await openBackend({
    address,
    tls,
    header: proxyProtocol === 'off' ? null : proxyHeader(proxyProtocol, null),
    quietMs,
    deadlines: { connect: deadlineMs, tls: BACKEND_TLS_MS, greeting: deadlineMs, user: deadlineMs },
    left,
    signal: new AbortController().signal,
  })
  if (opened.at === 'failed') {
    if (opened.cause.on === 'noisy') return { at: 'noisy' }
    return { at: 'down', detail: failureOf(opened.cause, busyErrors).detail }
  }
  const { source, talk, greeting } = opened
  try {
    const result = await askCapabilities(talk, left, offersXclient(greeting.words))
    if (result.at === 'up') {
      talk.say(Buffer.from('QUIT\r\n'))
      await talk.hear(left())
    }
    return result
  } finally {
    talk.release()
    source.socket.destroy()
  }
}

async function askCapabilities(talk: Conversation, left: () => number, xclient: boolean): Promise<Probed> {
  talk.say(Buffer.from('CAPA\r\n'))
  const first = await talk.hear(left())
  if (first.heard === 'closed') return { at: 'up', capabilities: null, xclient }
  const status = first.heard === 'line' ? readStatus(first.line) : null
  if (status === null) return { at: 'down', detail: `CAPA: ${first.heard === 'line' ? 'garbled' : first.heard}` }
  if (!status.ok) return { at: 'up', capabilities: null, xclient }
  const lines: string[] = []
  for (let count = 0; count < CAPA_LINES_MAX; count++) {
    const heard = await talk.hear(left())
    if (heard.heard !== 'line') return { at: 'down', detail: `CAPA: ${heard.heard}` }
    const line = heard.line.toString('latin1')
    if (line === '.') return { at: 'up', capabilities: lines, xclient }
    // No capability has such a name: the answers of this server come one late.
    if (readStatus(heard.line) !== null) return { at: 'down', detail: 'CAPA: garbled' }
    if (lines.length < CAPABILITIES_MAX && line.length <= REPLY_LINE_MAX) lines.push(line)
  }
  return { at: 'down', detail: 'CAPA: no end' }
}
