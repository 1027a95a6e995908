/**
 * `npm run bench -- idle polling [MINUTES]`: whether memory grows. 200 sessions ask ten times a second, NOOP and LIST in turn, so that two
 * minutes are as many questions as 2,000 sessions ask in an hour, each once in thirty seconds; beside them twenty programs a second do what mail
 * programs do: log in, look, take five messages, go.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crowd } from './crowd.ts'
import { withGateway, type Gateway } from './gateway.ts'
import { mallocKib, pssKib } from './measured.ts'
import { load, type Load, type LoadOptions } from './old-mail.ts'
import { median, printTable } from './table.ts'

const STAY = 200
const EVERY_MS = 100
const COME_A_SECOND = 20
/** Each comes once a minute, with a new code. */
const VISITORS = 3_000
const SLICES = 8
const SAMPLES = 5

/** Prints the memory of one slice of the time after the other. */
export async function polling(minutes: number): Promise<void> {
  const names = Array.from({ length: STAY + VISITORS }, (_, n) => `user${n}`)
  await withGateway(names, {}, async (postern) => {
    // What the first logins take is taken once: room to grow in, code that is compiled.
    await visit(postern, { count: VISITORS })
    await grow(postern, minutes)
  })
}

async function grow(postern: Gateway, minutes: number): Promise<void> {
  const { port, pass } = postern
  const hold = Math.ceil(minutes * 60)
  const users = { user: 'user%u', users: STAY, 'user-base': VISITORS, sources: 50 }
  const stay = await crowd({ port, pass, flags: { conc: STAY, every: EVERY_MS, hold, ...users } })
  try {
    const [rows, visited] = await Promise.all([slices(postern, hold), visitors(postern, hold)])
    const { polls, held, poll_p99_ms: p99 } = await stay.held()
    printTable(
      `Memory (PSS) while ${held} sessions ask ${polls?.toLocaleString('en')} times (p99 ${p99?.toFixed(1)} ms) and ${visited.toLocaleString('en')} come and go`,
      ['minute', 'fronts MiB', 'of it malloc', 'keeper MiB'],
      rows,
    )
  } finally {
    await stay.leave()
  }
}

/** Gives how many have come. One run of the load generator lasts ten minutes at most. */
async function visitors(postern: Gateway, seconds: number): Promise<number> {
  let [came, left] = [0, seconds]
  for (; left > 0; left -= 60) {
    const count = Math.min(60, left) * COME_A_SECOND
    await visit(postern, { count, rate: COME_A_SECOND })
    came += count
  }
  return came
}

function visit({ port, pass }: Gateway, flags: LoadOptions['flags']): Promise<Load> {
  const users = { user: 'user%u', users: VISITORS, sources: 50 }
  return load({ port, pass, account: null, flags: { mode: 'poll', conc: 16, secs: 120, ...users, ...flags } })
}

async function slices({ running }: Gateway, seconds: number): Promise<string[][]> {
  const rows: string[][] = []
  const mib = (all: number[]) => (median(all) / 1_024).toFixed(1)
  for (let slice = 1; slice <= SLICES; slice++) {
    const samples: [fronts: number, allocated: number, keeper: number][] = []
    for (let i = 0; i < SAMPLES; i++) {
      await delay((seconds / SLICES / SAMPLES) * 1_000)
      samples.push([pssKib(running.fronts()), mallocKib(running.fronts()), pssKib([running.pid])])
    }
    const minute = ((seconds / 60 / SLICES) * slice).toFixed(1)
    rows.push([minute, ...[0, 1, 2].map((i) => mib(samples.map((one) => one[i] ?? NaN)))])
  }
  return rows
}
