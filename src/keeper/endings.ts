/** Says ahead of time, once, that the client CA or its revocation lists run out: from then on OpenSSL refuses every client certificate. */
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { endingWords, type ClientCa } from '../policy/client-ca.ts'

export type Endings = {
  /** Looks at what is in force now. */
  look(ca: ClientCa | null): void
}

/** Gives a watch that has said nothing yet. It remembers what is in force alone. */
export function createEndings(log: Pick<Log, 'warn'>, clock: Clock, emit: (event: AuditEvent) => void): Endings {
  let told = new Set<string>()
  return {
    look(ca) {
      const said = new Set<string>()
      for (const ending of ca?.endings ?? []) {
        const words = endingWords(ending, clock.now())
        if (words === null) continue
        const { name, at, fingerprint } = ending
        const line = `${name} ${words}`
        said.add(line)
        if (told.has(line)) continue
        log.warn(line)
        emit({
          stream: 'admin',
          action: 'certificate-expiring',
          name,
          notAfter: new Date(at).toISOString(),
          fingerprint,
        })
      }
      told = said
    },
  }
}
