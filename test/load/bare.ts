/**
 * `npm run bench -- bare [ROUNDS]`: what a login costs where nothing is checked: HAProxy, Dovecot, and the least that a relay in Node can
 * do. Below that no change of ours can get.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bareRelay, dovecot, haproxy } from './front-ends.ts'
import { FULL_LOGIN, measure, stand } from './peers.ts'
import { median, printTable } from './table.ts'

/** Prints the table. */
export async function run([rounds = '5']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bare-'))
  const ends: (() => unknown)[] = [() => { rmSync(folder, { recursive: true, force: true }) }] // prettier-ignore
  try {
    const { fronts } = await stand([haproxy, dovecot, bareRelay], folder, ends)
    const [logins] = await measure(fronts, [FULL_LOGIN], Number(rounds))
    print(new Map([...(logins?.of ?? [])].map(([name, all]) => [name, median(all)])))
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

function print(found: Map<string, number>): void {
  const beside = (name: string, other: string) => ((found.get(name) ?? NaN) / (found.get(other) ?? NaN)).toFixed(2)
  printTable(
    'Processor time of a login where nothing is checked',
    ['', 'CPU ms', '/ haproxy', '/ dovecot'],
    [...found].map(([name, ms]) => [name, ms.toFixed(2), beside(name, 'haproxy'), beside(name, 'dovecot')]),
  )
}
