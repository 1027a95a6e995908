/** The keeper's table of connections: who holds which place, what is fixed about each, and how each one ended. */
import { randomBytes } from 'node:crypto'
import type { AuditEvent, ConnectionFacts, Ending, SessionCounts, TlsFacts } from '../audit/events.ts'
import type { AdmitAnswer, FromFront } from './messages.ts'

type Admit = Extract<FromFront, { kind: 'admit' }>

export type Session = {
  id: string
  front: number
  facts: ConnectionFacts
  /** Stable fingerprint of the client, set once by `secured`. */
  client: string | null
  /** Set when a login was proven. */
  login: { user: string; backend: string; since: number } | null
  /** An event of this connection is in the audit already, so its end needs no other one. */
  told: boolean
  /** When the login that is under way was asked for, on the monotonic clock. */
  askedAt: number
}

export type Ceilings = { connections: number; perAddress: number }

export type SessionTable = {
  admit(front: number, message: Admit, ceilings: Ceilings): AdmitAnswer
  /** `gone`: closed meanwhile. `foreign`: another front's; no honest front names it. */
  of(front: number, id: string): Session | 'gone' | 'foreign'
  /** False when TLS facts were fixed before: the front is not honest. */
  secure(session: Session, tls: TlsFacts, client: string): boolean
  loggedIn(id: string, user: string, backend: string): void
  /** The front that holds it, or null. */
  frontOf(id: string): number | null
  close(session: Session, reason: Ending, counts: SessionCounts | null): void
  /** All sessions that a lost front held. */
  heldBy(front: number): Session[]
  active(): Session[]
  size(): number
}

/** Needs the audit's mouth. The table never holds more than `ceilings.connections` entries. */
export function sessionTable(emit: (event: AuditEvent) => void): SessionTable {
  const table = new Map<string, Session>()
  const waitingAt = new Map<string, number>()

  const forgetWaiting = ({ facts: { ip } }: Session) => {
    const left = (waitingAt.get(ip) ?? 1) - 1
    if (left <= 0) waitingAt.delete(ip)
    else waitingAt.set(ip, left)
  }

  return {
    admit(front, { listener, ip, port }, ceilings) {
      const rule = full(table.size, waitingAt.get(ip) ?? 0, ceilings)
      if (rule !== null) {
        const by = { file: 'postern.yaml', line: 0, rule }
        emit({ stream: 'access', action: 'connection-denied', connection: { listener, ip, port }, by })
        return { say: 'denied' }
      }
      const id = randomBytes(12).toString('hex')
      const facts = { session: id, listener, ip, port }
      table.set(id, { id, front, facts, client: null, login: null, told: false, askedAt: 0 })
      waitingAt.set(ip, (waitingAt.get(ip) ?? 0) + 1)
      return { say: 'admitted', session: id }
    },
    of(front, id) {
      const session = table.get(id)
      if (session === undefined) return 'gone'
      return session.front === front ? session : 'foreign'
    },
    secure(session, tls, client) {
      if (session.client !== null) return false
      session.client = client
      session.facts = { ...session.facts, tls }
      return true
    },
    frontOf: (id) => table.get(id)?.front ?? null,
    loggedIn(id, user, backend) {
      const session = table.get(id)
      if (session === undefined || session.login !== null) return
      session.login = { user, backend, since: Date.now() }
      forgetWaiting(session)
    },
    close(session, reason, counts) {
      if (!table.delete(session.id)) return
      const { facts: connection, login } = session
      if (login !== null) {
        const { user, backend } = login
        emit({ stream: 'session', action: 'session-closed', connection, user, backend, counts, reason })
        return
      }
      forgetWaiting(session)
      if (!session.told) emit({ stream: 'access', action: 'connection-closed', connection, reason })
    },
    heldBy: (front) => [...table.values()].filter((session) => session.front === front),
    active: () => [...table.values()].filter(({ login }) => login !== null),
    size: () => table.size,
  }
}

function full(all: number, here: number, ceilings: Ceilings): string | null {
  if (all >= ceilings.connections) return 'limits.connections'
  return here >= ceilings.perAddress ? 'limits.per_address' : null
}
