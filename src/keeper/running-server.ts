/** What an operator asks of the running server: its commands, and how it is. */
import { availableParallelism } from 'node:os'
import { systemClock } from '../base/clock.ts'
import { FRONTS_MAX } from '../base/limits.ts'
import { Refusal } from '../base/refusal.ts'
import { version } from '../base/version.ts'
import { isReading, perform } from './commands.ts'
import { takeUpCommand } from './gate-data.ts'
import { broadcast, type Rig } from './rig.ts'
import type { UserDetail } from './users.ts'
import { statusOf, type Vitals } from './status.ts'

/** Commands that only a running server knows; the rest works on the state alone. */
export async function runCommand(rig: Rig, command: string, args: Record<string, unknown>): Promise<unknown> {
  if (command === 'status') {
    rig.locks = await rig.resources.store.countLocks(systemClock.now()).catch(() => rig.locks)
    return statusOf(vitalsOf(rig))
  }
  if (command === 'reload') {
    await rig.force.reload()
    return { generation: rig.force.current().snapshot.generation }
  }
  const { store, keys } = rig.resources
  const rules = () => rig.force.current().login.users
  const trust = () => rig.force.current().login.trusted_device
  const context = { store, keys, clock: systemClock, rules, trust, sessions: rig.live, emit: rig.emit }
  const result = await perform(context, command, args)
  if (command === 'user.show') return withClock(rig, result as UserDetail)
  if (isReading(command)) return result
  await takeUpCommand(rig, command, (data) => {
    broadcast(rig, { kind: 'gate-data', data })
  })
  // What changed somebody's way in is on record before the operator hears that it is done.
  await rig.resources.journal.durable().catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new Refusal(`${why}: what you asked for is not on record; mend that, then look with \`postern user show\``)
  })
  return result
}

/** What only a running server remembers of a user. */
function withClock({ skew }: Rig, detail: UserDetail): UserDetail {
  const found = skew.of(detail.user)
  return { ...detail, code_of_another_time: found && { at: found.at, seconds: found.seconds } }
}

/** How the server is, of which readiness and status are made. */
export function vitalsOf(rig: Rig): Vitals {
  const { journal } = rig.resources
  return {
    version: version(),
    fronts: { running: rig.supervisor?.fronts().length ?? 0, wanted: frontCount(rig) },
    sessions: rig.sessions.active().length,
    connections: rig.sessions.size(),
    backends: rig.backends.states(),
    set: rig.force.current(),
    faults: rig.force.faults(),
    journal: { state: journal.state(), lag: journal.lagSeconds(), findings: journal.findings() },
    draining: rig.draining,
    feeds: rig.feeds.states(),
    store: rig.storeFault,
    warnings: warningsOf(rig),
    databases: rig.databases.states(),
    zones: rig.force.current().policies.dnsbl.map((zone) => ({ zone: zone.zone, fault: rig.dnsbl.fault(zone) })),
    passes: rig.passes,
    locks: rig.locks,
    forwards: rig.outlets.forwards(),
  }
}

/** What somebody ought to know, and what stops nobody from logging in. */
function warningsOf(rig: Rig): string[] {
  const lost = rig.concentration.warning(systemClock.monotonic())
  const clock = [rig.skew.warning(), rig.clockWarning]
  return [lost, ...clock].filter((one) => one !== null).concat(rig.backends.remarks())
}

/** How many fronts the policies want. */
export function frontCount(rig: Rig): number {
  const { fronts } = rig.force.current().policies.postern.processes
  return fronts === 'auto' ? Math.min(availableParallelism(), FRONTS_MAX) : fronts
}
