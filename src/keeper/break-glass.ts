/** `postern allow`: a network that passes the gate for a while, whatever its lists say. Locks and the second factor still hold. */
import type { AuditEvent } from '../audit/events.ts'
import { clean } from '../base/clean.ts'
import type { Clock } from '../base/clock.ts'
import { parseRange } from '../base/ip.ts'
import { PASS_LONGEST_MS, PASSES_MAX } from '../base/gate-limits.ts'
import { parseDuration } from '../base/quantity.ts'
import { Refusal } from '../base/refusal.ts'
import type { Pass } from '../gate/verdict.ts'
import type { Store } from '../state/store.ts'

export type PassContext = { store: Store; clock: Clock; emit(event: AuditEvent): void }

/** `until` is ISO 8601; null when a pass was ended. */
export type Allowed = { network: string; until: string | null }

/**
 * Gives a network its pass, or ends it where `wanted.for` is `0s`. A second pass for a network takes the place of the first.
 * Throws {@link Refusal} for what is no network, for a time beyond seven days, and when too many passes stand.
 */
export async function allowNetwork(
  { store, clock, emit }: PassContext,
  wanted: { network: string; for: string; reason: string },
): Promise<Allowed> {
  const range = parseRange(wanted.network.trim())
  if (!range.ok) throw new Refusal(`'${clean(wanted.network, 60)}' ${range.fault}`)
  const ms = parseDuration(wanted.for)
  if (!ms.ok) throw new Refusal(`--for '${clean(wanted.for, 60)}' ${ms.fault}`)
  if (ms.value > PASS_LONGEST_MS)
    throw new Refusal(`--for ${wanted.for} is longer than 7d; for good, use a list in networks.yaml`)
  const reason = clean(wanted.reason.trim())
  if (reason === '') throw new Refusal('--reason is empty; say why, for the audit')
  const network = range.value.text
  const now = clock.now()
  if (ms.value === 0) {
    if (!(await store.endPass(network))) throw new Refusal(`${network} has no pass`)
    emit({ stream: 'admin', action: 'break-glass', network, until: null, reason })
    return { network, until: null }
  }
  const given = await store.givePass({ network, until: now + ms.value, reason }, now, PASSES_MAX)
  if (!given) throw new Refusal(`${PASSES_MAX} passes stand already; end one with --for 0s`)
  const until = new Date(now + ms.value).toISOString()
  emit({ stream: 'admin', action: 'break-glass', network, until, reason })
  return { network, until }
}

/** Gives the passes that have not run out, as the gate takes them. */
export async function livePasses(store: Pick<Store, 'passes'>, now: number): Promise<Pass[]> {
  return (await store.passes()).flatMap(({ network, until, reason }) => {
    const range = parseRange(network)
    return range.ok && now < until ? [{ range: range.value, until, reason }] : []
  })
}
