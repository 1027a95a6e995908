/** The sessions of the keeper that runs, as commands that end them see them. */
import type { AuditEvent } from '../audit/events.ts'
import type { Databases } from './databases.ts'
import { liveSessions, type LiveSessions } from './end-sessions.ts'
import type { Judge } from './judge.ts'
import type { Session, SessionTable } from './sessions.ts'
import type { Supervisor } from './supervise.ts'

type Parts = { sessions: SessionTable; judge: Judge; databases: Databases; supervisor: Supervisor | null }

/** Needs the audit's mouth, and the keeper's parts at each use. */
export function liveSessionsOf(emit: (event: AuditEvent) => void, parts: () => Parts): LiveSessions {
  return liveSessions({
    sessions: { active: () => parts().sessions.active() },
    emit,
    void: (user, device) => {
      parts().judge.void(user, device)
    },
    kill: (session) => {
      tellToEnd(parts(), session, 'killed')
    },
    countryOf: (ip) => parts().databases.where(ip).country ?? null,
  })
}

/** Tells the front that holds a connection to end it. */
export function tellToEnd(
  { supervisor }: Pick<Parts, 'supervisor'>,
  { id: session, front }: Session,
  reason: 'killed' | 'evicted',
): void {
  const holder = supervisor?.fronts().find(({ id }) => id === front)
  holder?.say({ kind: 'kill', session, reason })
}
