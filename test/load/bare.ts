/**
 * `npm run bench -- bare [ROUNDS]`: what a login costs where nothing is checked: HAProxy, Dovecot, and the least that a relay in Node can
 * do. Below that no change of ours can get.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bareRelay, certificate, dovecot, haproxy, type FrontEnd } from './front-ends.ts'
import { load, oldMail } from './old-mail.ts'
import { median, printTable } from './table.ts'

const LOGINS = 1_500
const USERS = 30_000

/** Prints the table. */
export async function run([rounds = '5']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bare-'))
  const files = await certificate(folder)
  const old = await oldMail()
  const fronts: FrontEnd[] = []
  try {
    for (const start of [haproxy, dovecot, bareRelay])
      fronts.push(await start({ folder: mkdtempSync(join(folder, 'of-')), ...files, behind: old.port }))
    print(await measure(fronts, Number(rounds)))
  } finally {
    for (const front of fronts) await front.stop()
    await old.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** In turns; the first round is not counted. Gives the medians, in CPU ms a login. */
async function measure(fronts: FrontEnd[], rounds: number): Promise<Map<string, number>> {
  const figures = new Map<string, number[]>(fronts.map(({ name }) => [name, []]))
  let base = 0
  for (let round = -1; round < rounds; round++) {
    for (const front of fronts) {
      const flags = { mode: 'login', count: LOGINS, conc: 16, user: 'user%u', users: USERS, 'user-base': base }
      const found = await load({ ...front, flags })
      base = (base + LOGINS) % USERS
      if (round >= 0) figures.get(front.name)?.push(found['srv_cpu_ms_per_session'] ?? NaN)
    }
  }
  return new Map([...figures].map(([name, all]) => [name, median(all)]))
}

function print(found: Map<string, number>): void {
  const beside = (name: string, other: string) => ((found.get(name) ?? NaN) / (found.get(other) ?? NaN)).toFixed(2)
  printTable(
    'Processor time of a login where nothing is checked',
    ['', 'CPU ms', '/ haproxy', '/ dovecot'],
    [...found].map(([name, ms]) => [name, ms.toFixed(2), beside(name, 'haproxy'), beside(name, 'dovecot')]),
  )
}
