/** `postern app-password …`: for programs that cannot ask for a code. */
import type { AddedAppPassword, AppPasswordRow } from '../keeper/app-passwords.ts'
import { askSecret } from './ask-secret.ts'
import { request } from './request.ts'

type Common = { config: string; json?: boolean }
type Wanted = Common & { name: string; networks: string; expires?: string; pending?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)
const when = (ms: number | null) => (ms === null ? 'never' : new Date(ms).toISOString())

/** Makes one and shows it once. */
export async function appPasswordAdd(user: string, options: Wanted): Promise<number> {
  const { config, name, networks, expires = null, pending = false, json } = options
  const password = pending ? null : (await askSecret(`mailbox password of ${user}`)).toString('base64')
  const args = { user, name, networks, expires, password }
  const added = (await request(config, 'app-password.add', args)) as AddedAppPassword
  if (json === true) {
    print(JSON.stringify(added))
    return 0
  }
  print(`The app password '${added.name}' of ${added.user}. It is shown once:\n\n  ${added.app_password}\n`)
  print('It is typed in place of the mailbox password, without a code; spaces may be left out.')
  print(`networks ${added.networks}, expires ${when(added.expires_at)}`)
  print(
    added.pending
      ? `It is pending: it works after the next login of ${added.user} with a code, and is refused until then.`
      : 'The mailbox password was not tried at the old server: the first login with this app password does that.',
  )
  return 0
}

/** One row each. */
export async function appPasswordList(user: string, { config, json }: Common): Promise<number> {
  const rows = (await request(config, 'app-password.list', { user })) as AppPasswordRow[]
  if (json === true) print(JSON.stringify(rows))
  else for (const row of rows) print(appPasswordLine(row))
  return 0
}

/** Ends one. */
export async function appPasswordRevoke(user: string, name: string, { config }: Common): Promise<number> {
  const revoked = (await request(config, 'app-password.revoke', { user, name })) as { user: string; sessions: number }
  const { user: whose, sessions } = revoked
  print(`the app password '${name}' of ${whose} is revoked; ${sessions} open session${sessions === 1 ? '' : 's'} ended`)
  return 0
}

/** Gives the line of one app password, as `user show` prints it too. */
export function appPasswordLine(row: AppPasswordRow): string {
  const { name, networks, learnt_network: learnt, expires_at, last_used_at, state, stale_since } = row
  const where = networks === 'learn' ? `learn (${learnt ?? 'nothing yet'})` : networks
  const how = state === 'stale' ? `stale since ${when(stale_since)}` : state
  return `${name}  ${how}  ${where}  expires ${when(expires_at)}  last used ${when(last_used_at)}`
}
