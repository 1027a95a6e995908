/**
 * `npm run bench -- mixed [ROUNDS]`: how long a login takes while others do what is heavy. Logins come evenly, 20 a second, far from what the
 * machine could do: with nothing beside them, beside downloads, and while the keeper takes up a list of 200,000 networks again and again. In
 * turns; the medians of all rounds are printed.
 *
 * Downloads that are as fast as they go take all that the machine has, so that logins wait for a processor whoever answers them: HAProxy tells
 * how long.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { askServer } from '../../src/keeper/control.ts'
import { certificate, haproxy, type FrontEnd } from './front-ends.ts'
import { gateway, strangers } from './gateway.ts'
import { load, oldMail, type Load } from './old-mail.ts'
import { median, printTable } from './table.ts'

const RATE = 20
const SECONDS = 15
const LOGINS = RATE * SECONDS
/** None of them comes twice in one step of thirty seconds. */
const USERS = 3_000
const DOWNLOADS = 8
const LINE_MBIT = 100
const MIB = 1_048_576
const PREFIXES = 200_000
const AIM = 3

/** What goes on beside the logins; gives what is to be told of it. Ends soon after `over` says so. */
type Beside = (front: FrontEnd, over: () => boolean) => Promise<string>
type Row = { name: string; front: FrontEnd; work: Beside; told: string; figures: Load[] }

/** Prints the table. */
export async function run([rounds = '3']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-mixed-'))
  const ends: (() => unknown)[] = [() => { rmSync(folder, { recursive: true, force: true }) }] // prettier-ignore
  try {
    const rows = await stand(folder, ends)
    let base = 0
    const next = () => (base = (base + LOGINS) % USERS)
    for (const { front } of rows) await logins(front, next(), { conc: 16 })
    for (let round = 0; round < Number(rounds); round++) {
      for (const row of rows) await measure(row, next())
    }
    print(rows)
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

async function stand(folder: string, ends: (() => unknown)[]): Promise<Row[]> {
  const old = await oldMail()
  ends.push(() => old.stop())
  const peer = await haproxy({ folder, ...(await certificate(folder)), behind: old.port })
  ends.push(() => peer.stop())
  const names = Array.from({ length: USERS }, (_, n) => `user${n}`)
  const bulk = Array.from({ length: DOWNLOADS }, (_, n) => `bulk${n}_1x${10 * MIB}`)
  const postern = await gateway(old.port, [...names, ...bulk])
  ends.push(() => postern.stop())
  const row = (front: FrontEnd, name: string, work: Beside) => ({ name, front, work, told: '', figures: [] })
  const rows = (front: FrontEnd) => [
    row(front, 'nothing', () => Promise.resolve('')),
    row(front, `${DOWNLOADS} downloads of ${LINE_MBIT} Mbit/s each`, downloads({ line: LINE_MBIT })),
    row(front, `${DOWNLOADS} downloads, as fast as they go`, downloads({})),
  ]
  const lists = reloads(
    join(postern.running.folder, 'state'),
    join(postern.running.folder, 'policies/lists/denied.txt'),
  )
  return [...rows(peer), ...rows(postern), row(postern, `lists of ${PREFIXES.toLocaleString('en')} networks`, lists)]
}

function logins({ port, pass }: FrontEnd, base: number, pace: { conc: number; rate?: number }): Promise<Load> {
  const users = { user: 'user%u', users: USERS, 'user-base': base, sources: 50 }
  return load({
    port,
    pass,
    account: null,
    flags: { mode: 'login', count: LOGINS, secs: SECONDS * 3, ...users, ...pace },
  })
}

async function measure(row: Row, base: number): Promise<void> {
  let isOver = false
  const told = row.work(row.front, () => isOver)
  try {
    // What is beside them is in full swing when the first one comes.
    await delay(1_000)
    const found = await logins(row.front, base, { conc: 64, rate: RATE })
    row.figures.push(found)
    process.stderr.write(`${row.front.name}, ${row.name}: p99 ${found['lat_p99_ms']} ms\n`)
  } finally {
    isOver = true
    row.told = await told
  }
}

/** Each ends with the message that it is at, two seconds after the logins. */
function downloads(line: { line?: number }): Beside {
  return async ({ port, pass }) => {
    const users = { user: `bulk%u_1x${10 * MIB}`, users: DOWNLOADS, count: DOWNLOADS, conc: DOWNLOADS }
    const flags = { mode: 'bulk', reps: 1e6, secs: SECONDS + 3, ...users, ...line }
    const { mb_per_s: speed } = await load({ port, pass, account: null, flags })
    return `${speed?.toFixed(0)} MB/s`
  }
}

/** Each list is another one: what did not change would not be read. */
function reloads(state: string, file: string): Beside {
  const lists = [0, 1].map((more) => strangers(PREFIXES + more).join('\n'))
  return async (_, over) => {
    const started = performance.now()
    let count = 0
    while (!over()) {
      writeFileSync(file, lists[count % 2] ?? '')
      if ((await askServer(state, 'reload', {})) === null) throw new Error('the server is gone')
      count++
    }
    return `${count} lists, ${((performance.now() - started) / 1_000 / count).toFixed(2)} s each`
  }
}

function print(rows: Row[]): void {
  const middle = (row: Row | undefined, name: string) => median(row?.figures.map((one) => one[name] ?? NaN) ?? [])
  const body = rows.map((row) => {
    const quiet = rows.find(({ front }) => front === row.front)
    const times = (name: string) => middle(row, name) / middle(quiet, name)
    const aim = `p99 under ${AIM} x: ${times('lat_p99_ms') < AIM ? 'met' : 'missed'}`
    return [
      row.front.name,
      row.name,
      row.told,
      ...['lat_p50_ms', 'lat_p99_ms', 'hs_p50_ms', 'hs_p99_ms'].map((name) => middle(row, name).toFixed(1)),
      ...['lat_p50_ms', 'lat_p99_ms'].map((name) => times(name).toFixed(2)),
      row === quiet || row.front.name !== 'postern' ? '' : aim,
    ]
  })
  printTable(
    `Logins, ${RATE} a second, in ms: whole sessions and the handshake alone (${LOGINS} a round, medians of ${rows[0]?.figures.length} rounds)`,
    ['', 'beside them', '', 'p50', 'p99', 'handshake p50', 'p99', '/ nothing: p50', 'p99', 'aim'],
    body,
  )
}
