/** The commands about people, as an operator types them. */
import { Option, type Command } from 'commander'
import type { Ends, MakeCommand } from './making.ts'

type EnrollOptions = { config: string; from?: string; out?: string; replace?: boolean; json?: boolean }

/** Adds `user`, `device` and `session` to the program. */
export function peopleCommands(root: Command, command: MakeCommand, ends: Ends): void {
  const user = root.command('user').description('the users and their second factors')
  enrolCommand(user, command, ends)
  command('list', 'all users', user)
    .addOption(new Option('--state <state>', 'only these').choices(['none', 'pending', 'enrolled', 'frozen']))
    .option('--csv', 'as CSV')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./user.ts')).userList))
  command('show <user>', 'state, devices and last logins of one user', user)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./user.ts')).userShow))
  command('remove <user>', 'remove every trace of a user outside the audit, and end what is open', user).action(
    ends(async () => (await import('./user.ts')).userRemove),
  )
  command('freeze <user>', 'shut a user out at once: sessions and devices end', user)
    .requiredOption('--reason <text>', 'why, for the audit')
    .action(ends(async () => (await import('./user.ts')).userFreeze))
  command('unfreeze <user>', 'let a frozen user in again, with a new code', user).action(
    ends(async () => (await import('./user.ts')).userUnfreeze),
  )
  command('temp-code <user>', 'make a code for one login, such as when a phone is lost; it is shown once', user)
    .requiredOption('--for <time>', 'how long it waits for that login, such as 24h; at most 7d')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./user.ts')).userTempCode))
  command('travel <user>', 'let a user in from countries that are shut out, for a while', user)
    .option('--countries <codes>', 'ISO 3166-1 codes, such as JP,KR')
    .option('--until <day>', 'the last day, such as 2027-03-14; now ends it')
    .option('--end', 'end it now')
    .option('--reason <text>', 'why, for the audit', '')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./travel.ts')).userTravel))
  liveCommands(root, command, ends)
}

function liveCommands(root: Command, command: MakeCommand, ends: Ends): void {
  const device = root.command('device').description('the devices that go on without a new code')
  command('list <user>', 'the devices of a user', device)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./device.ts')).deviceList))
  command('revoke <user> [id]', 'end the trust of one device, or of all', device).action(
    ends(async () => (await import('./device.ts')).deviceRevoke),
  )
  const session = root.command('session').description('who is in right now')
  command('list', 'all open sessions', session)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./live.ts')).sessionList))
  command('kill [id]', 'end a session; a QUIT that was sent on is waited for', session)
    .option('--user <user>', 'all of this user')
    .option('--reason <text>', 'why, for the audit')
    .action(ends(async () => (await import('./live.ts')).sessionKill))
}

function enrolCommand(user: Command, command: MakeCommand, ends: Ends): void {
  const enroll = command('enroll [user]', 'make a TOTP secret and recovery codes; they are shown once', user)
    .option('--replace', 'end what the user has now: secret, devices, recovery codes, sessions')
    .option('--from <file>', 'enrol everybody of this file: one user a line, # comments')
    .option('--out <folder>', 'with --from: where one printable sheet a user is written')
    .option('--json', 'as JSON')
  const enrolling = async (): Promise<(name: string | undefined, options: EnrollOptions) => Promise<number>> => {
    const [{ userEnroll }, { enrollFrom }] = await Promise.all([import('./user.ts'), import('./enrol-many.ts')])
    return async (name, { from, out, ...rest }) => {
      if (name !== undefined && from === undefined && out === undefined) return userEnroll(name, rest)
      if (name === undefined && from !== undefined && out !== undefined) return enrollFrom({ ...rest, from, out })
      return enroll.error('error: name a user, or a file with --from and a folder with --out', { exitCode: 2 })
    }
  }
  enroll.action(ends(enrolling))
}
