/** What of the policies the judgement of logins looks at. Names are those of the files; times are milliseconds. */
import type { Rate } from '../base/quantity.ts'
import type { TrustRules } from '../factors/trusted-device.ts'
import type { RuleAt } from '../audit/events.ts'
import type { LoginRule, Method } from '../policy/rules.ts'
import type { IdentityRules, NamingRules } from './identity.ts'

export type LoginPolicy = {
  users: IdentityRules
  second_factor: {
    required_for: 'all' | 'enrolled'
    /** With `enrolled`: from when it is `all`. */
    until: number | null
    /** With `enrolled`: so long after the enrolment a user whose code was never used may go on with the password alone. */
    pending_for: number
    /** The only ones that count for this login. */
    methods: readonly Method[]
    /** Where they stand, for the audit. */
    by?: RuleAt
    /** Tells whether the password alone is enough from an address. */
    not_required_from: (ip: string) => boolean
  }
  totp: { separator: string; window: number }
  trusted_device: TrustRules
  failures: {
    reply_after: number
    per_user: FailureRule
    per_address: FailureRule
    per_network: FailureRule & { ipv4: number; ipv6: number }
    per_user_everywhere: { allow: Rate }
  }
  /** Who may come from countries that the geofence shuts out, until when. Users are plain patterns. */
  exceptions: readonly { users: readonly string[]; countries: readonly string[]; until: number }[]
  /** Listeners that ask for client certificates: elsewhere none counts. */
  asking: readonly string[]
  /** In their order; see `rules.ts`. */
  rules: readonly LoginRule[]
  backends: readonly BackendPolicy[]
}

/** So many failures in any stretch of time, then a lock of so many milliseconds. */
export type FailureRule = { allow: Rate; lock: number }

export type BackendPolicy = NamingRules & {
  name: string
  /** A password that this server refused is not sent to it again within this time; 0 is off. */
  remember_refused: number
  max_sessions: number
}
