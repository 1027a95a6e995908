/** Postern as it is measured: all checks on, everybody with a code, the audit with its guarantee, two fronts. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { Secret } from '../../src/base/secret.ts'
import { argon2id } from '../../src/factors/password-hash.ts'
import { makeRecoveryCodes } from '../../src/factors/recovery.ts'
import { askServer } from '../../src/keeper/control.ts'
import { sealKept, traceOf } from '../../src/keeper/exposure.ts'
import { masterKeyFromFile } from '../../src/state/master-key.ts'
import { createKeyring } from '../../src/state/secrets.ts'
import { startPostern, type Running, type Wanted } from '../support/running.ts'
import { account } from './measured.ts'
import type { FrontEnd } from './front-ends.ts'
import { oldMail, PASSWORD, TOTP_SEED } from './old-mail.ts'
import { networks } from './structures.ts'

/** Strangers from here are denied by the list. */
export const DENIED = '127.66'
const PREFIXES = 50_000
const PIECE = 500

export type Gateway = FrontEnd & { running: Running }
/** `name`: where there are several. `restart`: after all are enrolled, so that what it holds is not what their enrolment left behind. */
export type GatewayOptions = { name?: string; restart?: boolean }

/** Needs the port of the old server and who is enrolled: all of them with one secret. */
export async function gateway(behind: number, users: string[], options: GatewayOptions = {}): Promise<Gateway> {
  const { name = 'postern', restart = false } = options
  const wanted = asShipped(behind)
  const first = await startPostern(wanted)
  await enrol(first, users)
  await keepHashes(first)
  if (restart) await first.stop()
  const running = restart ? await startPostern({ ...wanted, folder: first.folder }) : first
  const cpu = account(name, () => running.pid)
  cpu.adopt([running.pid, ...running.fronts()])
  // The health check learns what the old server can, and that it greets with one line.
  await delay(3_000)
  const stop = async () => {
    // With its fronts: of a keeper that is killed they would live on for as long as they have sessions.
    await running.stop()
    await running.close()
    cpu.close()
  }
  const { pid, port } = running
  return { name, port, pid, account: cpu, pass: `${PASSWORD}%t`, version: 'Postern', stop, running }
}

/** Stands before an old server of its own for as long as `work` takes. */
export async function withGateway(
  users: string[],
  options: GatewayOptions,
  work: (postern: Gateway) => Promise<void>,
): Promise<void> {
  const old = await oldMail()
  try {
    const postern = await gateway(old.port, users, options)
    await work(postern).finally(() => postern.stop())
  } finally {
    await old.stop()
  }
}

function asShipped(behind: number): Wanted {
  return {
    backendPort: behind,
    fronts: 2,
    postern: {
      backends: [{ name: 'old-mail', addresses: [`127.0.0.1:${behind}`], max_sessions: 20_000 }],
      checks: ['networks', 'reputation', 'geofence', 'rates'],
      limits: { connections: 20_000, drain_time: '1s' },
      log: { level: 'error' },
    },
    login: { failures: { reply_after: '3s' } },
    networks: { deny: ['lists/denied.txt'] },
    reputation: { feeds: [{ name: 'drop', file: 'lists/drop.txt' }] },
    // One machine stands for all clients here: judged as ever, with room for it.
    rates: {
      per_address: { connections: '1000000/1m', concurrent: 20_000 },
      per_network: { connections: '1000000/1m', concurrent: 20_000, ipv4: 24, ipv6: 56 },
      known_factor: 10,
    },
    files: {
      'geofence.yaml': JSON.stringify({ country_database: 'builtin', countries: { deny: ['KP'] }, unknown: 'allow' }),
      'lists/denied.txt': `${DENIED}.0.0/16\n${strangers(PREFIXES).join('\n')}\n`,
      'lists/drop.txt': strangers(1_700).join('\n'),
    },
  }
}

async function enrol({ folder }: Running, users: string[]): Promise<void> {
  const seed = TOTP_SEED.toString('base64')
  const recovery_codes = makeRecoveryCodes()
  for (let from = 0; from < users.length; from += PIECE) {
    const made = users.slice(from, from + PIECE).map((user) => ({ user, seed, recovery_codes }))
    const answer = await askServer(`${folder}/state`, 'user.enroll-many', { made, replace: false })
    if (answer === null) throw new Error('the server is gone')
  }
}

/** As after everybody's first login: the password of each is hashed, which takes hours for some ten thousand. */
async function keepHashes({ folder }: Running): Promise<void> {
  const keys = createKeyring(masterKeyFromFile(join(folder, 'keys/master.key'), false).key)
  const password = new Secret(Buffer.from(PASSWORD))
  const hash = await argon2id.hash(password)
  const db = new DatabaseSync(join(folder, 'state/postern.sqlite'))
  const put = db.prepare('INSERT OR REPLACE INTO password_hashes VALUES (?, ?)')
  const users = db.prepare('SELECT name, enrolment FROM users').all() as { name: string; enrolment: string }[]
  db.exec('BEGIN IMMEDIATE')
  for (const { name, enrolment } of users) {
    put.run(name, sealKept(keys, name, { trace: traceOf(keys, name, enrolment, password), hash }))
  }
  db.exec('COMMIT')
  db.close()
}

/** Networks for a list; the clients of a bench are in none of them. */
export function strangers(count: number): string[] {
  return networks(count).filter((network) => !network.startsWith('127.'))
}
