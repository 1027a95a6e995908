/** `postern device …`: what goes on without a new code, and its end. */
import type { Revoked } from '../keeper/helpdesk.ts'
import type { UserDevice } from '../keeper/users.ts'
import { sessionsWords } from './live.ts'
import { request } from './request.ts'

type Common = { config: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)
const when = (ms: number) => new Date(ms).toISOString()

/** One device on one line. */
export function deviceLine({ id, network, trusted_at, last_used_at, expires_at, trusted }: UserDevice): string {
  const until = trusted ? `until ${when(expires_at)}` : 'over'
  return `${id}  ${network}  trusted ${when(trusted_at)}  last used ${when(last_used_at)}  ${until}`
}

/** The one used last first. */
export async function deviceList(user: string, options: Common): Promise<number> {
  const found = (await request(options.config, 'device.list', { user })) as { user: string; devices: UserDevice[] }
  if (options.json === true) print(JSON.stringify(found.devices))
  else if (found.devices.length === 0) print(`${found.user} has no trusted device`)
  else for (const device of found.devices) print(deviceLine(device))
  return 0
}

/** Ends the trust of one device, or of all. */
export async function deviceRevoke(user: string, id: string | undefined, options: Common): Promise<number> {
  const asked = id === undefined ? { user } : { user, device: id }
  const { user: name, devices, sessions } = (await request(options.config, 'device.revoke', asked)) as Revoked
  const what =
    devices.length === 1 ? `device ${devices[0]} of ${name} needs` : `${devices.length} devices of ${name} need`
  print(`${what} a new code now, and ${sessionsWords(sessions)} told to end`)
  return 0
}
