/** The commands' entry: what an operator types, what comes out, and with which exit code. */
import { Command, CommanderError, Option } from 'commander'
import { Refusal } from './base/refusal.ts'
import { version } from './base/version.ts'
import { allow } from './cli/allow.ts'
import { readingCommands } from './cli/audit-commands.ts'
import { check } from './cli/check.ts'
import { explain } from './cli/explain.ts'
import { reload, status } from './cli/running.ts'
import { serve } from './cli/serve.ts'
import { userEnroll, userList, userRemove, userShow } from './cli/user.ts'
import { demo } from './demo/demo.ts'

type Run<Args extends unknown[]> = (...args: Args) => Promise<number>
type Ends = <Args extends unknown[]>(run: Run<Args>) => (...args: Args) => Promise<void>
type MakeCommand = (spec: string, about: string) => Command

/**
 * Runs one command. Needs the words behind the program's name; gives the exit code: 0 done, 1 the thing asked about is
 * wrong, 2 bad usage. Errors are one line on stderr; POSTERN_DEBUG=1 adds the stack.
 */
export async function main(argv: string[]): Promise<number> {
  let code = 0
  const ends =
    <Args extends unknown[]>(run: Run<Args>) =>
    async (...args: Args) => {
      code = await run(...args)
    }
  try {
    await program(ends).parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return complain(error)
  }
}

function complain(error: unknown): number {
  const debug = process.env['POSTERN_DEBUG'] === '1'
  const lines = error instanceof Refusal ? error.lines : [error instanceof Error ? error.message : String(error)]
  for (const line of lines) process.stderr.write(`postern: ${line}\n`)
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  return 1
}

function program(ends: Ends): Command {
  const root = new Command('postern')
    .description(
      'A security gateway for POP3: TLS, a gate, password plus one-time code, and an audit, before an old mail server.',
    )
    .version(version())
    .exitOverride()
  const command = (spec: string, about: string, parent: Command = root) =>
    parent.command(spec).description(about).addOption(policyFile())
  command('serve', 'run the gateway').action(ends(serve))
  root
    .command('demo')
    .description('show the main job with an old server, a certificate and a user of its own')
    .option('--check', 'fetch every message through itself, then exit')
    .action(ends(demo))
  command('check', 'read all that serve would read and say what is wrong')
    .option('--json', 'as JSON')
    .action(ends(check))
  command('reload', 'ask the running server to read its policies again').action(ends(reload))
  command('status', 'how the running server is').option('--json', 'as JSON').action(ends(status))
  gateCommands(command, ends)
  const audit = root.command('audit').description('reading, proving and summing up the audit')
  readingCommands(audit, command, ends)
  const user = root.command('user').description('the users and their second factors')
  command('enroll <user>', 'make a TOTP secret and recovery codes; they are shown once', user)
    .option('--replace', 'end what the user has now: secret, devices, recovery codes')
    .option('--json', 'as JSON')
    .action(ends(userEnroll))
  command('list', 'all users', user)
    .addOption(new Option('--state <state>', 'only these').choices(['none', 'pending', 'enrolled', 'frozen']))
    .option('--csv', 'as CSV')
    .option('--json', 'as JSON')
    .action(ends(userList))
  command('show <user>', 'state, devices and last logins of one user', user)
    .option('--json', 'as JSON')
    .action(ends(userShow))
  command('remove <user>', 'remove every trace of a user outside the audit', user).action(ends(userRemove))
  return root
}

function gateCommands(command: MakeCommand, ends: Ends): void {
  command('explain <ip>', 'what the policies on disk would do to an address, rule by rule')
    .option('--user <user>', 'and what this user would need to log in from there')
    .option('--ja4 <fingerprint>', 'with this stable fingerprint, as `user show --json` has it')
    .option('--at <time>', 'at this moment, such as 2027-01-31T12:00:00Z')
    .option('--json', 'as JSON')
    .action(ends(explain))
  command('allow <network>', 'break-glass: let an address or a network pass the gate for a while')
    .requiredOption('--for <time>', 'how long, such as 2h; at most 7d, and 0s ends it')
    .requiredOption('--reason <text>', 'why, for the audit')
    .option('--json', 'as JSON')
    .action(ends(allow))
}

function policyFile(): Option {
  return new Option('-c, --config <file>', 'the policy file').default('policies/postern.yaml')
}
