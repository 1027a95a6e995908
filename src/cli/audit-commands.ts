/** `postern audit …`: what can be typed. */
import { type Command, Option } from 'commander'
import { TAIL_LINES } from '../base/audit-limits.ts'
import type { Ends, MakeCommand } from './making.ts'

/** Registers the commands that read the audit. Needs the command `audit`, and how commands are made. */
export function readingCommands(audit: Command, command: MakeCommand, ends: Ends): void {
  const make = (spec: string, about: string) =>
    command(spec, about, audit).option('--path <folder>', 'read a copy of the audit there, not `audit.path`')
  make('tail [stream]', `the last ${TAIL_LINES} lines, those of a time, or what is written from now on`)
    .option('-f, --follow', 'go on as lines are written, from now or from --since on')
    .option('-n, --lines <count>', 'so many of the last lines, when no time is named')
    .option('--user <user>', 'only of this user')
    .option('--ip <network>', 'only of this address or network')
    .option('--ja4 <fingerprint>', 'only with this JA4 fingerprint')
    .option('--since <time>', 'from then on: 2027-01-31, 2027-01-31T12:00:00Z, 2h, today, yesterday')
    .option('--until <time>', 'up to then; a day is held whole')
    .addOption(new Option('--json', 'the JSON lines, also on a terminal'))
    .action(ends(async () => (await import('./audit-tail.ts')).auditTail))
  make('report', 'logins, refusals and denials by day and user, what to look at, and what an auditor asks')
    .requiredOption('--from <time>', 'the first day: 2027-01-31, yesterday, 7d')
    .option('--to <time>', 'the last day, held whole (now)')
    .addOption(new Option('--format <format>', 'as text or for programs').choices(['md', 'json']).default('md'))
    .action(ends(async () => (await import('./audit-report.ts')).auditReport))
  make('export', 'the lines of some days in one archive, with a manifest')
    .requiredOption('--from <time>', 'the first day: 2027-01-31, yesterday, 7d')
    .option('--to <time>', 'the last day, held whole (now)')
    .option('--user <user>', 'only of this user')
    .requiredOption('--out <file>', 'the archive to write, such as audit.tgz')
    .action(ends(async () => (await import('./audit-export.ts')).auditExport))
  make('replay', 'what other policies would have denied and admitted of what has happened')
    .requiredOption('--policies <folder>', 'the policies to try')
    .option('--from <time>', 'from then on (7d)')
    .option('--to <time>', 'up to then; a day is held whole (now)')
    .option('--json', 'as JSON')
    .action(ends(async () => (await import('./audit-replay.ts')).auditReplay))
}
