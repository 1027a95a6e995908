/** The keeper's table of connections: who holds which place, what is fixed about each, and how each one ended. */
import { randomBytes } from 'node:crypto'
import type { AuditEvent, ConnectionFacts, Ending, Factor, SessionCounts, TlsFacts } from '../audit/events.ts'
import type { FromFront } from './messages.ts'
import { createWaiting, type Waiting } from './waiting.ts'

type Admit = Extract<FromFront, { kind: 'admit' }>

/** What a proven login says of its session. `device`: the one that trust or a code is bound to; null for the bare password. `appPassword`: its name. */
export type Opened = { user: string; backend: string; factor: Factor; device: string | null; appPassword?: string }

export type Session = {
  id: string
  front: number
  facts: ConnectionFacts
  /** Stable fingerprint of the client, set once by `secured`. */
  client: string | null
  /** Set when a login was proven. `since` is ms since 1970. */
  login: (Opened & { since: number }) | null
  /** It was told to end by an operator, or by what one did. */
  killed: boolean
  /** An event of this connection is in the audit already, so its end needs no other one. */
  told: boolean
  /** When the login that is under way was asked for, on the monotonic clock. */
  askedAt: number
  /** It was told to end, to make room: its place is another's already. */
  leaving: boolean
}

export type Ceilings = { connections: number; perAddress: number }

export type SessionTable = {
  /** Gives a place to a connection of `network`, or the ceiling that stands against it. */
  admit(front: number, message: Admit, network: string, ceilings: Ceilings): { id: string } | { full: string }
  /** Those that have not logged in. */
  waiting: Pick<Waiting, 'at' | 'within' | 'busiest'>
  /** Takes the place of a connection away, and gives it to be told to end; null when it is gone. */
  evict(id: string): Session | null
  /** `gone`: closed meanwhile. `foreign`: another front's; no honest front names it. */
  of(front: number, id: string): Session | 'gone' | 'foreign'
  /** False when TLS facts were fixed before: the front is not honest. */
  secure(session: Session, tls: TlsFacts, client: string): boolean
  /** Gives the address that logged in; null when the connection is gone, or was logged in before. */
  loggedIn(id: string, login: Opened): string | null
  /** The front that holds it, or null. */
  frontOf(id: string): number | null
  close(session: Session, reason: Ending, counts: SessionCounts | null): void
  /** All sessions that a lost front held. */
  heldBy(front: number): Session[]
  active(): Session[]
  /** Connections that hold a place. */
  size(): number
}

const UNTOUCHED = { killed: false, told: false, askedAt: 0, leaving: false }

/** Needs the audit's mouth, the time (ms since 1970), and where addresses are. The table never holds more than `ceilings.connections` entries, and those that were told to leave. */
export function sessionTable(
  emit: (event: AuditEvent) => void,
  now: () => number = Date.now,
  where: (ip: string) => Pick<ConnectionFacts, 'country' | 'asn'> = () => ({}),
): SessionTable {
  const table = new Map<string, Session>()
  const waiting = createWaiting()
  let leaving = 0

  return {
    admit(front, { listener, ip, port }, network, ceilings) {
      const rule = full(table.size - leaving, waiting.at(ip), ceilings)
      if (rule !== null) return { full: rule }
      const id = randomBytes(12).toString('hex')
      const facts = { ...where(ip), session: id, listener, ip, port, connected: now() }
      table.set(id, { id, front, facts, client: null, login: null, ...UNTOUCHED })
      waiting.enter({ id, ip, network })
      return { id }
    },
    waiting,
    evict(id) {
      const session = table.get(id)
      if (session === undefined || session.leaving || session.login !== null) return null
      session.leaving = true
      leaving += 1
      waiting.leave(id)
      return session
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
    loggedIn(id, login) {
      const session = table.get(id)
      if (session === undefined || session.login !== null) return null
      session.login = { ...login, since: now() }
      waiting.leave(id)
      return session.facts.ip
    },
    close(session, reason, counts) {
      if (!table.delete(session.id)) return
      if (session.leaving) leaving -= 1
      waiting.leave(session.id)
      const { facts: connection, login } = session
      if (login !== null) {
        const { user, backend } = login
        emit({ stream: 'session', action: 'session-closed', connection, user, backend, counts, reason })
        return
      }
      if (!session.told) emit({ stream: 'access', action: 'connection-closed', connection, reason })
    },
    heldBy: (front) => [...table.values()].filter((session) => session.front === front),
    active: () => [...table.values()].filter(({ login }) => login !== null),
    size: () => table.size - leaving,
  }
}

function full(all: number, here: number, ceilings: Ceilings): string | null {
  if (all >= ceilings.connections) return 'limits.connections'
  return here >= ceilings.perAddress ? 'limits.per_address' : null
}
