/** The commands' entry: what an operator types, what comes out, and with which exit code. */
import { Command, CommanderError, Option } from 'commander'
import { Refusal } from './base/refusal.ts'
import { version } from './base/version.ts'
import type { Ends, MakeCommand } from './cli/making.ts'
import { readingCommands } from './cli/audit-commands.ts'
import { peopleCommands } from './cli/people.ts'

/**
 * Runs one command. Needs the words behind the program's name; gives the exit code: 0 done, 1 the thing asked about is
 * wrong, 2 bad usage. Errors are one line on stderr; POSTERN_DEBUG=1 adds the stack.
 */
export async function main(argv: string[]): Promise<number> {
  let code = 0
  const ends: Ends = (load) => {
    return async (...args) => {
      const run = await load()
      code = await run(...args)
    }
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
  return error instanceof Refusal ? error.exitCode : 1
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
  command('serve', 'run the gateway').action(ends(async () => (await import('./cli/serve.ts')).serve))
  root
    .command('demo')
    .description('show the main job with an old server, a certificate and a user of its own')
    .option('--check', 'fetch every message through itself, then exit')
    .action(ends(async () => (await import('./demo/demo.ts')).demo))
  command('check', 'read all that serve would read and say what is wrong')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/check.ts')).check))
  command('reload', 'ask the running server to read its policies again').action(
    ends(async () => (await import('./cli/running.ts')).reload),
  )
  command('status', 'how the running server is')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/running.ts')).status))
  gateCommands(command, ends)
  auditCommands(command, ends, root)
  peopleCommands(root, command, ends)
  appPasswordCommands(command, ends, root)
  lockCommands(root, command, ends)
  return root
}

function appPasswordCommands(command: MakeCommand, ends: Ends, root: Command): void {
  const group = root.command('app-password').description('passwords for programs that cannot ask for a code')
  command('add <user>', 'make one; it is shown once. Asks for the mailbox password', group)
    .requiredOption('--name <name>', 'what it is for, such as scanner')
    .requiredOption('--networks <list>', 'networks it works from, with commas; learn: that of its first use; any')
    .option('--expires <time>', 'how long it works, such as 180d; for good without it')
    .option('--pending', 'without the mailbox password: it works after the next login with a code')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/app-password.ts')).appPasswordAdd))
  command('list <user>', 'the app passwords of a user', group)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/app-password.ts')).appPasswordList))
  command('revoke <user> <name>', 'end one', group).action(
    ends(async () => (await import('./cli/app-password.ts')).appPasswordRevoke),
  )
}

function gateCommands(command: MakeCommand, ends: Ends): void {
  command('explain <ip>', 'what the policies on disk would do to an address, rule by rule')
    .option('--user <user>', 'and what this user would need to log in from there')
    .option('--ja4 <fingerprint>', 'with this stable fingerprint, as `user show --json` has it')
    .option('--at <time>', 'at this moment, such as 2027-01-31T12:00:00Z')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/explain.ts')).explain))
  command('allow <network>', 'break-glass: let an address or a network pass the gate for a while')
    .requiredOption('--for <time>', 'how long, such as 2h; at most 7d, and 0s ends it')
    .requiredOption('--reason <text>', 'why, for the audit')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/allow.ts')).allow))
}

function lockCommands(root: Command, command: MakeCommand, ends: Ends): void {
  const lock = root.command('lock').description('what guessing has locked')
  command('list', 'the locks that stand', lock)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/locks.ts')).lockList))
  command('clear <user-or-network>', 'end its locks and forget its failed logins', lock)
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/locks.ts')).lockClear))
}

function auditCommands(command: MakeCommand, ends: Ends, root: Command): void {
  const audit = root.command('audit').description('reading, proving and summing up the audit')
  readingCommands(audit, command, ends)
  command('verify [files...]', 'prove that the streams are as Postern wrote them; exit 1 names the first break', audit)
    .option('--path <dir>', "a copy of the audit folder, instead of this server's")
    .option('--export <dir>', 'an archive of `audit export`, unpacked')
    .option('--anchors <file>', 'what `audit key` printed, noted elsewhere')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./cli/audit-verify.ts')).auditVerify))
  command('key', 'print the anchor of the seals and where the streams stand, to be noted elsewhere', audit).action(
    ends(async () => (await import('./cli/audit-verify.ts')).auditKey),
  )
}

function policyFile(): Option {
  return new Option('-c, --config <file>', 'the policy file').default('policies/postern.yaml')
}
