/** Where audit events go besides the streams: collectors, and a log in Dovecot's words. Neither can hold a login up. */
import type { AuditEvent } from '../audit/events.ts'
import type { Tails } from '../audit/follow.ts'
import { systemClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Policies } from '../policy/load.ts'
import { dovecotLine } from './dovecot-log.ts'
import { openPositions } from './forward-positions.ts'
import { createForwarder } from './forwarder.ts'
import { createForwards, type ForwardState } from './forwards.ts'
import { helperIdentity } from './helpers.ts'
import { openLogFile, type LogFile } from './log-file.ts'

export type Outlets = {
  /** Needs every event that goes to the streams. */
  tell(event: AuditEvent): void
  /** Takes up what the policies say now. */
  use(policies: Policies): void
  forwards(): ForwardState[]
  close(): Promise<void>
}

export type OutletsOptions = { state: string; tails: Tails; log: Log; emit(event: AuditEvent): void }

/** Opens nothing but the positions; the rest comes with the policies. */
export async function openOutlets({ state, tails, log, emit }: OutletsOptions): Promise<Outlets> {
  let policies: Policies | null = null
  let dovecot: { path: string; file: LogFile } | null = null
  const user = () => policies?.postern.processes.user ?? ''
  const forwards = createForwards({
    tails,
    positions: await openPositions(state, log),
    forwarder: createForwarder(() => helperIdentity(user())),
    clock: systemClock,
    log,
    emit,
  })
  const facts = {
    listenerHost: (name: string) => policies?.postern.listeners.find((one) => one.name === name)?.address.host ?? null,
    isPerson: (name: string) => policies?.roster?.has(name) === true,
  }
  return {
    tell(event) {
      const line = dovecot === null ? null : dovecotLine(event, { now: systemClock.now(), ...facts })
      if (line !== null) dovecot?.file.write(line)
    },
    use(next) {
      policies = next
      forwards.use(next.forwards)
      const { dovecot_log: path } = next.postern.audit
      if (path === (dovecot?.path ?? null)) return
      void dovecot?.file.close()
      dovecot = path === null ? null : { path, file: openLogFile(path, systemClock, log) }
    },
    forwards: () => forwards.states(),
    async close() {
      await forwards.stop()
      await dovecot?.file.close()
    },
  }
}
