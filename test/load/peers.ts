/**
 * `npm run bench -- peers [ROUNDS]`: processor time and memory of Postern as shipped beside HAProxy, nginx and Dovecot, all before one
 * old server, in turns. Writes `RESULTS.md` beside this file.
 *
 * What is compared is not alike: HAProxy passes octets on and nginx lets everybody in, Postern checks lists, country, rates, password and
 * code, and has each login on disk before its +OK.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { knock, many } from './clients.ts'
import { certificate, dovecot, haproxy, nginx, type FrontEnd, type Stand } from './front-ends.ts'
import { DENIED, gateway } from './gateway.ts'
import { load, oldMail, type LoadOptions } from './old-mail.ts'
import { report, type Figures } from './results.ts'

/** A user logs in once a step of thirty seconds: more than that are logged in in none. */
const USERS = 30_000
const LOGINS = 1_200
const MIB = 1_048_576
/** So many that what the logins before have left free does not count. */
const IDLE = 3_000

type Flags = LoadOptions['flags']
type Trial = {
  name: string
  unit: string
  figure: string
  flags(base: number): Flags
}

const person = (base: number): Flags => ({ user: 'user%u', users: USERS, 'user-base': base, sources: 50 })
const mailbox = (size: number): Flags => ({ user: `bulk%u_1x${size}`, users: 8 })

export const FULL_LOGIN: Trial = {
  name: 'full login',
  unit: 'CPU ms',
  figure: 'srv_cpu_ms_per_session',
  flags: (base) => ({ mode: 'login', count: LOGINS, conc: 16, ...person(base) }),
}

const TRIALS: Trial[] = [
  FULL_LOGIN,
  {
    name: 'resumed login',
    unit: 'CPU ms',
    figure: 'srv_cpu_ms_per_session',
    flags: (base) => ({ mode: 'login', count: LOGINS, conc: 16, resume: true, ...person(base) }),
  },
  {
    name: 'poll',
    unit: 'CPU ms',
    figure: 'srv_cpu_ms_per_session',
    flags: (base) => ({ mode: 'poll', count: LOGINS, conc: 16, ...person(base) }),
  },
  {
    name: 'bulk, 1 x 10 MiB',
    unit: 'CPU s/GB',
    figure: 'srv_cpu_s_per_gb',
    flags: () => ({ mode: 'bulk', count: 1, conc: 1, reps: 100, ...mailbox(10 * MIB) }),
  },
  {
    name: 'small messages, 8 x 2 KiB',
    unit: 'CPU s/GB',
    figure: 'srv_cpu_s_per_gb',
    flags: () => ({ mode: 'bulk', count: 8, conc: 8, reps: 4_000, ...mailbox(2_048) }),
  },
  {
    name: 'idle session',
    unit: 'PSS KiB',
    figure: 'pss_kib_per_session',
    flags: (base) => ({ mode: 'idle', conc: IDLE, ramp: 32, settle: 3, probes: 10, ...person(base) }),
  },
]
const names = () => [
  ...Array.from({ length: USERS }, (_, n) => `user${n}`),
  ...[10 * MIB, 2_048].flatMap((size) => Array.from({ length: 8 }, (_, n) => `bulk${n}_1x${size}`)),
]

/** Runs all of it and writes the table. */
export async function run([rounds = '5', only = '']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-peers-'))
  const ends: (() => unknown)[] = [() => { rmSync(folder, { recursive: true, force: true }) }] // prettier-ignore
  try {
    const { behind, fronts } = await stand([haproxy, nginx, dovecot], folder, ends)
    const postern = await gateway(behind, names())
    ends.push(() => postern.stop())
    fronts.push(postern)
    const trials = TRIALS.filter(({ name }) => name.startsWith(only))
    const figures = await measure(fronts, trials, Number(rounds))
    const denial = only === '' ? await denied(fronts) : null
    const text = report({ fronts, figures, denial, rounds: Number(rounds) })
    process.stdout.write(text)
    if (only === '') writeFileSync(new URL('RESULTS.md', import.meta.url), text)
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

/** Starts an old server and those that are to stand before it; `ends` gets what stops them. */
export async function stand(
  starts: ((stand: Stand) => Promise<FrontEnd>)[],
  folder: string,
  ends: (() => unknown)[],
): Promise<{ behind: number; fronts: FrontEnd[] }> {
  const files = await certificate(folder)
  const old = await oldMail()
  ends.push(() => old.stop())
  const fronts: FrontEnd[] = []
  for (const start of starts) {
    const front = await start({ folder: mkdtempSync(join(folder, 'of-')), ...files, behind: old.port })
    ends.push(() => front.stop())
    fronts.push(front)
  }
  return { behind: old.port, fronts }
}

/** In turns, so that a machine that grows slower does so for all. */
export async function measure(fronts: FrontEnd[], trials: Trial[], rounds: number): Promise<Figures[]> {
  const figures = trials.map(({ name, unit }) => ({ name, unit, of: new Map<string, number[]>() }))
  let base = 0
  for (let round = -1; round < rounds; round++) {
    for (const [i, { name, figure, flags }] of trials.entries()) {
      // Memory is not measured twice: what the first sessions left behind is used again by the next.
      if (figure.startsWith('pss') && round !== 0) continue
      for (const front of fronts) {
        const found = await load({ ...front, flags: flags(base) })
        base = (base + (figure.startsWith('pss') ? IDLE : LOGINS)) % USERS
        const all = figures[i]?.of.get(front.name) ?? []
        if (round >= 0) figures[i]?.of.set(front.name, [...all, found[figure] ?? NaN])
        process.stderr.write(`${round} ${name} ${front.name} ${found[figure]}\n`)
      }
    }
  }
  return figures
}

/** Processor time of a connection that is denied before TLS. In CPU ms. */
async function denied(fronts: FrontEnd[]): Promise<number> {
  const postern = fronts.find(({ name }) => name === 'postern')
  if (postern === undefined) return NaN
  const { port, account } = postern
  const work = (i: number) => knock({ port, from: `${DENIED}.${(i >> 8) & 255}.${i & 255 || 1}` })
  await many(500, 16, work)
  const before = account.cpuMs()
  await many(5_000, 16, work)
  // The last sums are on their way.
  await delay(1_200)
  return (account.cpuMs() - before) / 5_000
}
