/**
 * Sessions that are open now, and their end from outside. Whatever takes somebody's way in away comes through here after the store
 * has it: a freeze, a new enrolment, a removal, a revoked device or app password, `session kill`.
 */
import type { AuditEvent, Factor } from '../audit/events.ts'
import { clean } from '../base/clean.ts'
import { Refusal } from '../base/refusal.ts'
import type { Session, SessionTable } from './sessions.ts'

/** `since` is milliseconds since 1970. `ending`: it was told to end, and the old server still owes the answer to a QUIT. */
export type LiveSession = {
  id: string
  user: string
  address: string
  country: string | null
  listener: string
  backend: string
  factor: Factor
  since: number
  ending: boolean
}

export type LiveSessions = {
  /** The oldest first. */
  list(): LiveSession[]
  /** Ends one session, all of a user, or those that a device or an app password of a user opened. Gives those that were not ending already. */
  end(which: Which, reason: string): LiveSession[]
}

export type Which = { id: string } | { user: string; device?: string; appPassword?: string }

/** For a command that runs without a server. */
export const NO_SESSIONS: LiveSessions = { list: () => [], end: () => [] }

export type EndingContext = {
  sessions: Pick<SessionTable, 'active'>
  emit(event: AuditEvent): void
  /** Logins of the user that are still being judged let nobody in. */
  void(user: string, device?: string): void
  /** Tells the front that holds a session to end it. The front waits for a QUIT that it has sent on. */
  kill(session: Session): void
  countryOf(ip: string): string | null
}

/** Needs the table of the keeper that runs. */
export function liveSessions({ sessions, emit, void: voidLogins, kill, countryOf }: EndingContext): LiveSessions {
  const open = () =>
    sessions.active().flatMap((session) => (session.login === null ? [] : [{ session, login: session.login }]))
  const shown = ({ session, login }: ReturnType<typeof open>[number]): LiveSession => {
    const { id, facts, killed } = session
    const { user, backend, factor, since } = login
    const from = { address: facts.ip, country: countryOf(facts.ip), listener: facts.listener }
    return { id, user, ...from, backend, factor, since, ending: killed }
  }
  return {
    list: () =>
      open()
        .map(shown)
        .toSorted((a, b) => a.since - b.since),
    end(which, reason) {
      // First, so that none of them becomes a session behind our back.
      if ('user' in which) voidLogins(which.user, which.device)
      const meant = open().filter(({ session, login }) => !session.killed && isMeant(session, login, which))
      const ended = meant.map(shown)
      for (const { session, login } of meant) {
        session.killed = true
        const { user, backend } = login
        emit({ stream: 'session', action: 'session-killed', connection: session.facts, user, backend, reason })
        kill(session)
      }
      return ended
    },
  }
}

function isMeant(session: Session, login: NonNullable<Session['login']>, which: Which): boolean {
  if ('id' in which) return session.id === which.id
  const { device, appPassword } = which
  if (login.user !== which.user || (device !== undefined && login.device !== device)) return false
  return appPassword === undefined || login.appPassword === appPassword
}

/** `session kill`: one by its id, or all of a user, whose name is canonical. Throws {@link Refusal} where there is none. */
export function killSessions(
  sessions: LiveSessions,
  wanted: { id?: string | undefined; user?: string | undefined; reason?: string | undefined },
): LiveSession[] {
  const reason = clean((wanted.reason ?? '').trim()) || 'by hand'
  if ((wanted.id === undefined) === (wanted.user === undefined))
    throw new Refusal('name one session by its id, or the user with --user')
  const ended = sessions.end(wanted.id === undefined ? { user: wanted.user ?? '' } : { id: wanted.id }, reason)
  if (ended.length > 0) return ended
  const whose = clean(wanted.id ?? wanted.user ?? '', 60)
  throw new Refusal(`${whose} has no open session that is not ending already; \`postern session list\` names all`)
}
