/**
 * `npm run bench -- idle [SESSIONS]`: what sessions cost that are logged in and say nothing, 10,000 of them over two fronts: memory, processor
 * time, how quick a NOOP is answered among them, and whether all is given back when they leave and as many others come and leave.
 *
 * `npm run bench -- idle polling [MINUTES]`: whether memory grows while sessions ask again and again; see `polling.ts`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crowd, type Crowd } from './crowd.ts'
import { withGateway, type Gateway } from './gateway.ts'
import { cpuMs, pssKib } from './measured.ts'
import { polling } from './polling.ts'
import { printTable } from './table.ts'

/** A front holds two sockets a session and may open 20,000 files here: two fronts hold 10,000 when both get their half. */
const SESSIONS = 10_000
const CALM_S = 10
/** Node gives memory back when it has had nothing to do for a while. */
const GONE_S = 20
const AIM_KIB = 48
const AIM_P99_MS = 2
const PROBES = 5_000

/** Runs the crowd, the polling, or both. */
export async function run([first, second]: string[]): Promise<void> {
  if (first !== 'polling') await parked(Number(first ?? SESSIONS))
  if (first === undefined || first === 'polling') await polling(Number(second ?? 2))
}

/** KiB, and ms of processor time a second, of the fronts and of the keeper. */
type State = { name: string; sessions: number; kib: [number, number]; ms: [number, number] }

async function parked(sessions: number): Promise<void> {
  const names = Array.from({ length: sessions * 2 }, (_, n) => `user${n}`)
  await withGateway(names, { restart: true }, async (postern) => {
    const states = [await state(postern, 'before anybody came', 0)]
    const waves: Crowd[] = []
    for (const [i, who] of ['logged in, idle', 'others logged in'].entries()) {
      const wave = await come(postern, sessions, i * sessions)
      waves.push(wave)
      try {
        states.push(await state(postern, who, sessions))
      } finally {
        await wave.leave()
      }
      await delay(GONE_S * 1_000)
      states.push(await state(postern, 'all of them gone', 0))
    }
    print(sessions, states, waves)
  })
}

function come({ port, pass }: Gateway, sessions: number, base: number): Promise<Crowd> {
  const users = { user: 'user%u', users: sessions, 'user-base': base, sources: 50 }
  return crowd({ port, pass, flags: { conc: sessions, settle: 5, probes: PROBES, ...users } })
}

async function state({ running }: Gateway, name: string, sessions: number): Promise<State> {
  const both = [running.fronts(), [running.pid]]
  const before = both.map((pids) => cpuMs(pids))
  await delay(CALM_S * 1_000)
  const ms = both.map((pids, i) => (cpuMs(pids) - (before[i] ?? 0)) / CALM_S)
  const kib = both.map((pids) => pssKib(pids))
  return { name, sessions, kib: [kib[0] ?? NaN, kib[1] ?? NaN], ms: [ms[0] ?? NaN, ms[1] ?? NaN] }
}

function print(sessions: number, states: State[], waves: Crowd[]): void {
  const count = sessions.toLocaleString('en')
  printTable(
    `Memory (PSS) and processor time of ${count} sessions that say nothing, over two fronts`,
    ['', 'fronts MiB', 'keeper MiB', 'KiB a session: fronts', 'keeper', 'both', 'aim', 'CPU ms/s: fronts', 'keeper'],
    states.map((one) => rowOf(one, states[0]?.kib ?? [NaN, NaN])),
  )
  printTable(
    `NOOP among them, ${PROBES.toLocaleString('en')} one after the other`,
    ['', 'all in after s', 'p50 ms', 'p99 ms', 'longest ms', 'aim'],
    waves.map(({ figures }, i) => [
      i === 0 ? 'the first' : 'the others',
      figures['ramp_s']?.toFixed(0) ?? '',
      ...['noop_p50_ms', 'noop_p99_ms', 'noop_max_ms'].map((name) => figures[name]?.toFixed(2) ?? ''),
      `p99 under ${AIM_P99_MS} ms: ${(figures['noop_p99_ms'] ?? NaN) < AIM_P99_MS ? 'met' : 'missed'}`,
    ]),
  )
}

function rowOf({ name, sessions, kib, ms }: State, start: [number, number]): string[] {
  const grown = [kib[0] - start[0], kib[1] - start[1], kib[0] + kib[1] - start[0] - start[1]].map(
    (one) => one / sessions,
  )
  const aim = `${AIM_KIB} KiB: ${(grown[2] ?? NaN) <= AIM_KIB ? 'met' : 'missed'}`
  return [
    name,
    ...kib.map((one) => (one / 1_024).toFixed(0)),
    ...(sessions === 0 ? ['', '', '', ''] : [...grown.map((one) => one.toFixed(1)), aim]),
    ...ms.map((one) => one.toFixed(1)),
  ]
}
