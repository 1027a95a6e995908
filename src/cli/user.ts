/** `postern user …`: enrolling people, seeing how they stand, removing them. */
import { appPasswordLine } from './app-password.ts'
import { encodeCsv } from './csv.ts'
import { request } from './request.ts'
import { sessionsWords } from './live.ts'
import { qrCode } from './qr.ts'
import { deviceLine } from './device.ts'
import type { FrozenUser, TempCodeMade } from '../keeper/helpdesk.ts'
import type { Enrolment, UserDetail, UserRow } from '../keeper/users.ts'

type Common = { config: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)
const when = (ms: number | null) => (ms === null ? '-' : new Date(ms).toISOString())

/** Makes the secret and shows it once. */
export async function userEnroll(user: string, options: Common & { replace?: boolean }): Promise<number> {
  const made = (await request(options.config, 'user.enroll', { user, replace: options.replace === true })) as Enrolment
  if (options.json === true) {
    print(JSON.stringify({ user: made.user, otpauth: made.otpauth, recovery_codes: made.recovery_codes }))
    return 0
  }
  print(`${made.user} is enrolled. What follows is shown once.\n`)
  print(`  ${made.otpauth}\n`)
  if (process.stdout.isTTY) print(`${qrCode(made.otpauth)}\n`)
  print('Recovery codes, each good for one login, typed behind the password in place of a code:')
  for (const code of made.recovery_codes) print(`  ${code}`)
  return 0
}

/** One row a user. */
export async function userList(options: Common & { state?: string; csv?: boolean }): Promise<number> {
  const rows = (await request(
    options.config,
    'user.list',
    options.state === undefined ? {} : { state: options.state },
  )) as UserRow[]
  if (options.json === true) print(JSON.stringify(rows))
  else if (options.csv === true)
    process.stdout.write(encodeCsv(['user', 'state', 'enrolled', 'last_login'], rows.map(cells)))
  else
    for (const row of rows)
      print(
        cells(row)
          .map((cell, at) => cell.padEnd(at === 0 ? 40 : 10))
          .join(' ')
          .trimEnd(),
      )
  return 0
}

const cells = (row: UserRow) => [row.user, row.state, when(row.enrolled_at), when(row.last_login_at)]

/** Everything known of one user but the secrets. */
export async function userShow(user: string, options: Common): Promise<number> {
  const detail = (await request(options.config, 'user.show', { user })) as UserDetail
  if (options.json === true) {
    print(JSON.stringify(detail))
    return 0
  }
  print(`user           ${detail.user}\nstate          ${detail.state}`)
  if (detail.frozen !== null) print(`frozen         ${when(detail.frozen.at)}: ${detail.frozen.reason}`)
  print(`enrolled       ${when(detail.enrolled_at)}\nrecovery codes ${detail.recovery_codes_left} left`)
  if (detail.temp_code_until !== null) print(`temporary code until ${when(detail.temp_code_until)}`)
  print(`devices        ${detail.devices.length === 0 ? 'none' : ''}`)
  for (const device of detail.devices) print(`  ${deviceLine(device)}`)
  print(`app passwords  ${detail.app_passwords.length === 0 ? 'none' : ''}`)
  for (const row of detail.app_passwords) print(`  ${appPasswordLine(row)}`)
  const { travel } = detail
  if (travel !== null)
    print(
      `travels        ${travel.countries.join(', ')} until ${when(travel.until)}${travel.reason === '' ? '' : `: ${travel.reason}`}`,
    )
  if (detail.code_of_another_time) {
    const { at, seconds } = detail.code_of_another_time
    const where = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`
    print(
      `clock          at ${when(at)} a code came from a clock ${where}: set the phone's to automatic, or this machine's`,
    )
  }
  print(`last logins    ${detail.logins.length === 0 ? 'none' : ''}`)
  for (const login of detail.logins) print(`  ${when(login.at)}  ${login.ip}  ${login.factor}  ${login.listener}`)
  return 0
}

/** Removes every trace outside the audit. */
export async function userRemove(user: string, options: Common): Promise<number> {
  await request(options.config, 'user.remove', { user })
  print(`${user} is removed`)
  return 0
}

/** Shuts a user out at once. */
export async function userFreeze(user: string, options: Common & { reason: string }): Promise<number> {
  const frozen = (await request(options.config, 'user.freeze', { user, reason: options.reason })) as FrozenUser
  print(`${frozen.user} is frozen, and ${sessionsWords(frozen.sessions)} told to end`)
  if (!frozen.known) print(`note: ${frozen.user} is neither enrolled nor on a roster. Is the name right?`)
  return 0
}

/** Lets a frozen user in again. */
export async function userUnfreeze(user: string, options: Common): Promise<number> {
  const { user: name } = (await request(options.config, 'user.unfreeze', { user })) as { user: string }
  print(`${name} may log in again, with a new code: no device is trusted any more`)
  return 0
}

/** Makes a code for one login and shows it once. */
export async function userTempCode(user: string, options: Common & { for: string }): Promise<number> {
  const made = (await request(options.config, 'user.temp-code', { user, for: options.for })) as TempCodeMade
  if (options.json === true) print(JSON.stringify(made))
  else {
    print(`${made.code}\n`)
    print(`For one login of ${made.user} until ${made.until}, typed right behind the password. An earlier one is void.`)
  }
  return 0
}
