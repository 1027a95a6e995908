/** What the keeper has done by processes without powers, started for it with what this process alone knows. */
import { randomInt } from 'node:crypto'
import { getCACertificates } from 'node:tls'
import type { AuditEvent } from '../audit/events.ts'
import { systemClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Compile } from '../compiler/job.ts'
import { compileApart, rememberingCompile } from './compiler.ts'
import { createFeeds, type Feeds } from './feeds.ts'
import { frontIdentity, type Identity } from './supervise.ts'

const identities = new Map<string, Identity | null>()

/** Gives whom helper processes become, for the user that the policies name: as the fronts, whose start warns of one that is not there. */
export function helperIdentity(user: string): Identity | null {
  const known = identities.get(user) ?? frontIdentity(user, () => undefined)
  identities.set(user, known)
  return known
}

/** Gives who parses the lists of one load after the other, and remembers what did not change. */
export function compileApartAs(): (user: string) => Compile {
  return rememberingCompile((jobs, user) => compileApart(jobs, { identity: helperIdentity(user) }))
}

/** Gives the feeds, with nothing in them. `changed`: a list that the fronts want. */
export function createFeedsApart(log: Log, emit: (event: AuditEvent) => void, changed: () => void): Feeds {
  return createFeeds({
    clock: systemClock,
    log,
    emit,
    changed,
    run: async (job, user) => {
      const [made] = await compileApart([job], { identity: helperIdentity(user) })
      return made ?? { at: 'failed', reason: 'no answer' }
    },
    // What NODE_EXTRA_CA_CERTS names: the compiler has no environment and opens no file.
    ca: getCACertificates('extra'),
    random: () => randomInt(2 ** 32) / 2 ** 32,
    later: (ms, run) => {
      const timer = setTimeout(run, ms).unref()
      return () => {
        clearTimeout(timer)
      }
    },
  })
}
