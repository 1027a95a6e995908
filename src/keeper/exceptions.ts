/** `exceptions` of login.yaml: who may come from a country that the geofence shuts out, for a while. */
import { matchesUser } from '../base/user-pattern.ts'
import type { LoginPolicy } from './login-policy.ts'

type Exception = LoginPolicy['exceptions'][number]

/** Needs a canonical name, the country (null: not known) and the moment (ms since 1970); gives the exception that holds, or null. */
export function exceptionFor(
  exceptions: readonly Exception[],
  name: string,
  country: string | null,
  now: number,
): Exception | null {
  if (country === null) return null
  const holds = ({ users, countries, until }: Exception) =>
    now < until && countries.includes(country) && users.some((pattern) => matchesUser(pattern, name))
  return exceptions.find(holds) ?? null
}
