/**
 * `postern user travel`: an exception for one user, made by command. It counts like those of login.yaml, at once: the gate lets the country
 * pass to be judged at login, and there the user it names goes on. It runs out by itself.
 */
import type { AuditEvent } from '../audit/events.ts'
import { TRAVEL_COUNTRIES_MAX, TRAVEL_LONGEST_MS, TRAVELS_MAX } from '../base/login-limits.ts'
import { clean } from '../base/clean.ts'
import type { Clock } from '../base/clock.ts'
import { isCountry, meantCountry } from '../base/country.ts'
import { endOfDay, parseDay } from '../base/day.ts'
import { Refusal } from '../base/refusal.ts'
import type { GateData } from '../gate/verdict.ts'
import type { Store, TravelRow } from '../state/store.ts'
import type { LoginPolicy } from './login-policy.ts'

export type TravelContext = {
  store: Pick<Store, 'putTravel' | 'endTravel'>
  clock: Clock
  emit(event: AuditEvent): void
}

/** `until` is a day (that day still counts), or `now`, which ends the journey. */
export type WantedTravel = { countries: string[]; until: string; reason: string }

/** `until` is ISO 8601; null when a journey was ended. */
export type Travelling = { user: string; countries: string[]; until: string | null }

/**
 * Needs a canonical name. A second journey of a user takes the place of the first. Throws {@link Refusal} for what is no country or day,
 * for a day that is over or beyond a year, and when too many travel.
 */
export async function travel(context: TravelContext, user: string, wanted: WantedTravel): Promise<Travelling> {
  const { store, clock, emit } = context
  const reason = clean(wanted.reason.trim())
  if (wanted.until === 'now') {
    if (!(await store.endTravel(user))) throw new Refusal(`${user} does not travel`)
    emit({ stream: 'admin', action: 'user-travel', user, countries: [], until: null, reason })
    return { user, countries: [], until: null }
  }
  const countries = countriesOf(wanted.countries)
  const now = clock.now()
  const end = endOf(wanted.until, now)
  const taken = await store.putTravel({ user, countries, until: end, reason }, now, TRAVELS_MAX)
  if (!taken) throw new Refusal(`${TRAVELS_MAX} users travel already; end one with --until now`)
  const until = new Date(end).toISOString()
  emit({ stream: 'admin', action: 'user-travel', user, countries, until, reason })
  return { user, countries, until }
}

function countriesOf(written: string[]): string[] {
  const codes = [...new Set(written.map((code) => code.trim()).filter((code) => code !== ''))]
  if (codes.length === 0) throw new Refusal('--countries names none; write codes such as JP,KR')
  if (codes.length > TRAVEL_COUNTRIES_MAX)
    throw new Refusal(`--countries names more than ${TRAVEL_COUNTRIES_MAX}; for good, change geofence.yaml`)
  for (const code of codes) {
    if (isCountry(code)) continue
    const meant = meantCountry(code)
    throw new Refusal(
      `'${clean(code, 20)}' is no country code of ISO 3166-1; ${meant === null ? 'write it like JP' : `did you mean ${meant}?`}`,
    )
  }
  return codes
}

function endOf(written: string, now: number): number {
  const day = parseDay(written)
  if (!day.ok) throw new Refusal(`--until '${clean(written, 40)}' ${day.fault}, or now to end it`)
  const end = endOfDay(day.value)
  if (end <= now) throw new Refusal(`--until ${written} is over; write a day to come, or now to end it`)
  if (end - now > TRAVEL_LONGEST_MS) throw new Refusal(`--until ${written} is more than a year away; for good, use \`exceptions\` of login.yaml`) // prettier-ignore
  return end
}

/** Gives the policy with the journeys added to its exceptions. */
export function withTravels(policy: LoginPolicy, travels: readonly TravelRow[]): LoginPolicy {
  if (travels.length === 0) return policy
  const made = travels.map(({ user, countries, until }) => ({ users: [user], countries, until }))
  return { ...policy, exceptions: [...policy.exceptions, ...made] }
}

/** Gives what the gate needs of journeys: each country once, with the last moment that somebody travels there. */
export function travellersOf(travels: readonly TravelRow[]): GateData['travellers'] {
  const untilOf = new Map<string, number>()
  for (const { countries, until } of travels)
    for (const country of countries) untilOf.set(country, Math.max(until, untilOf.get(country) ?? 0))
  return [...untilOf].map(([country, until]) => ({ country, until }))
}
