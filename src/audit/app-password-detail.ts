/** What the lines about app passwords and exposed passwords say under `postern`. */
import { clean } from '../base/clean.ts'
import type { AuditEvent } from './events.ts'

export type AppPasswordEvent = Extract<
  AuditEvent,
  { action: 'app-password-added' | 'app-password-revoked' | 'app-password-stale' | 'password-exposed' }
>

/** Gives the fields, cleaned. */
export function appPasswordDetail(event: AppPasswordEvent) {
  if (event.action === 'password-exposed') return { network: clean(event.network) }
  if (event.action !== 'app-password-added') return { app_password: { name: clean(event.name) } }
  const { name, networks, expires, pending } = event
  const until = expires === null ? null : clean(expires)
  return { app_password: { name: clean(name), networks: clean(networks), expires: until, pending } }
}
