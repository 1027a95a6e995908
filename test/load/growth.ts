/**
 * `npm run bench -- growth [ROUNDS]`: whether a login costs more where many are enrolled, or where many are logged in. One gateway for each
 * number, all of them at once and measured in turns, so that a machine that grows slower does so for all.
 *
 * The same ten log in at each, from ten devices: few enough for the smallest. A code is good once in its thirty seconds, so that most of them
 * repeat what they typed, as a program does that polls. Where there are enough people a second figure has a new code for each login.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crowd } from './crowd.ts'
import { gateway, type Gateway } from './gateway.ts'
import { pssKib } from './measured.ts'
import { load, oldMail } from './old-mail.ts'
import { median, printTable } from './table.ts'

const ENROLLED = [10, 1_000, 100_000]
const OPEN = [1, 100, 1_000, 5_000]
/** Where the open sessions are counted: those who stay, and those who log in beside them. */
const PEOPLE = 6_000
const FEW = 10
const LOGINS = 600
const STEP_MS = 30_000
const CALM_MS = 5_000

type Size = { people: number; open: number }
type Stand = Size & { postern: Gateway; kib: [number, number]; repeated: number[]; fresh: number[] }

/** Prints a table for each of the two questions. */
export async function run([rounds = '3']: string[]): Promise<void> {
  const number = (count: number) => count.toLocaleString('en')
  await grow(
    ENROLLED.map((people) => ({ people, open: 0 })),
    Number(rounds),
    (stands) => {
      print('People who are enrolled', stands, ({ people }) => number(people))
    },
  )
  await grow(
    OPEN.map((open) => ({ people: PEOPLE, open })),
    Number(rounds),
    (stands) => {
      print(`Sessions that are open beside it, ${number(PEOPLE)} enrolled`, stands, ({ open }) => number(open))
    },
  )
}

async function grow(sizes: Size[], rounds: number, tell: (stands: Stand[]) => void): Promise<void> {
  const old = await oldMail()
  const ends: (() => Promise<void>)[] = [() => old.stop()]
  try {
    const stands: Stand[] = []
    for (const size of sizes) stands.push(await stand(old.port, size, ends))
    // The first one warms up.
    for (let round = -1; round < rounds; round++) {
      // All codes of a round are new ones.
      await delay(STEP_MS - (Date.now() % STEP_MS))
      for (const one of stands) await measure(one, round)
    }
    await delay(CALM_MS)
    for (const one of stands) one.kib = memoryOf(one.postern)
    tell(stands)
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

/** The last ones stay logged in; the others log in while they do. */
async function stand(behind: number, { people, open }: Size, ends: (() => Promise<void>)[]): Promise<Stand> {
  const names = Array.from({ length: people }, (_, n) => `user${n}`)
  const postern = await gateway(behind, names, { name: `postern-${people}-${open}`, restart: true })
  ends.push(() => postern.stop())
  const { port, pass } = postern
  const users = { user: 'user%u', users: open, 'user-base': people - open, sources: 50 }
  if (open > 0) ends.push((await crowd({ port, pass, flags: { conc: open, ...users } })).leave)
  return { people, open, postern, kib: [NaN, NaN], repeated: [], fresh: [] }
}

async function measure({ postern, people, open, repeated, fresh }: Stand, round: number): Promise<void> {
  const { port, pass, account } = postern
  const cost = async (users: number, base: number) => {
    const who = { user: 'user%u', users, 'user-base': base, sources: FEW }
    const flags = { mode: 'login', count: LOGINS, conc: 16, ...who }
    return (await load({ port, pass, account, flags }))['srv_cpu_ms_per_session'] ?? NaN
  }
  const ms = await cost(FEW, 0)
  process.stderr.write(`${round} ${postern.name} ${ms}\n`)
  if (round >= 0) repeated.push(ms)
  // Each round asks for others, all over the store.
  const room = people - open - FEW - LOGINS
  if (room < 0) return
  const others = await cost(LOGINS, FEW + Math.floor((room * (round + 1)) / 7))
  if (round >= 0) fresh.push(others)
}

function memoryOf({ running }: Gateway): [fronts: number, keeper: number] {
  return [pssKib(running.fronts()), pssKib([running.pid])]
}

function print(title: string, stands: Stand[], label: (stand: Stand) => string): void {
  const ratio = (figures: number[], first: number[] | undefined) =>
    figures.length === 0 ? '' : (median(figures) / median(first ?? [])).toFixed(2)
  const ms = (figures: number[]) => (figures.length === 0 ? '' : median(figures).toFixed(2))
  const rows = stands.map((stand) => [
    label(stand),
    ms(stand.repeated),
    ratio(stand.repeated, stands[0]?.repeated),
    ms(stand.fresh),
    ratio(stand.fresh, stands.find(({ fresh }) => fresh.length > 0)?.fresh),
    ...stand.kib.map((kib) => (kib / 1_024).toFixed(0)),
  ])
  printTable(
    `${title}: processor time of a full login, medians of ${stands[0]?.repeated.length} rounds of ${LOGINS}`,
    [
      '',
      'ten people, mostly repeats: CPU ms',
      '/ first',
      'a new code each: CPU ms',
      '/ first',
      'fronts MiB',
      'keeper MiB',
    ],
    rows,
  )
}
