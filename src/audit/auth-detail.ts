/** What lines of the auth stream say under `postern`. */
import { clean } from '../base/clean.ts'
import { never } from '../base/never.ts'
import { appPasswordDetail } from './app-password-detail.ts'
import type { AuditEvent } from './events.ts'
import { guessingOf } from './guessing.ts'
import type { Fields } from './tls-fields.ts'

/** Gives the fields, cleaned. */
export function authDetailOf(event: Extract<AuditEvent, { stream: 'auth' }>): Fields {
  switch (event.action) {
    case 'login-succeeded':
      return {
        factor: event.factor,
        backend: clean(event.backend),
        device: event.device === undefined ? undefined : clean(event.device),
        app_password: event.appPassword === undefined ? undefined : { name: clean(event.appPassword) },
        temporary: event.temporary,
      }
    case 'login-failed':
      return { skew_seconds: event.skewSeconds }
    case 'device-trusted':
    case 'device-revoked':
      return { device: clean(event.device) }
    case 'app-password-stale':
    case 'password-exposed':
      return appPasswordDetail(event)
    case 'user-frozen':
    case 'user-unfrozen':
      return {}
    case 'user-locked':
    case 'network-locked':
    case 'spraying':
    case 'guessing-spread':
      return guessingOf(event)
    default:
      return never(event)
  }
}
