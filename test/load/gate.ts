/**
 * `npm run bench -- gate [lookups] [denial] [flood] [arrival] [turns]`: what the gate costs. Without names, all of it.
 *
 *  - lookups: structures for lists of 1,000, 50,000 and 200,000 networks against each other
 *  - denial: processor time of the fronts for a denial before TLS, beside a full handshake
 *  - flood: logins of a good client while 5,000 connections of strangers arrive
 *  - arrival: how quick keeper and fronts answer while 200,000 networks come into force
 *  - turns: how long each part of that arrival holds the loop of the process it happens in
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { oldServer } from '../../src/demo/old-server.ts'
import { startPostern, until, type Running, type Wanted } from '../support/running.ts'
import { cpuMs } from './measured.ts'
import { knock, logIn, many, session, shakeHands } from './clients.ts'
import { networks, STRUCTURES } from './structures.ts'
import { median, printTable } from './table.ts'
import { turns } from './arrival.ts'

const run_ = promisify(execFile)
const here = (name: string) => new URL(name, import.meta.url).pathname
const USER = 'ann@example.com'
const PASSWORD = 'secret'
/** The strangers' networks: all of the first is denied, the second comes more often than rates.yaml allows. */
const DENIED = '127.66'
const CROWD = '127.77'
const FLOOD = 5_000

/** Runs the parts that are named, or all. */
export async function run(parts: string[]): Promise<void> {
  const all: Record<string, () => Promise<void>> = { lookups, denial, flood, arrival, turns }
  const wanted = parts.length === 0 ? Object.keys(all) : parts
  for (const part of wanted) {
    const one = all[part]
    if (one === undefined) throw new Error(`no such part: ${part}; there are ${Object.keys(all).join(', ')}`)
    await one()
  }
}

type Measured = { perSecond: number; buildMs: number; bytes: number; share: number }

async function measure(name: string, count: number, family: 4 | 6): Promise<Measured> {
  const args = ['--expose-gc', here('one-structure.ts'), name, String(count), String(family)]
  const { stdout } = await run_(process.execPath, args)
  return JSON.parse(stdout) as Measured
}

async function lookups(): Promise<void> {
  for (const count of [1_000, 50_000, 200_000]) {
    const rows: string[][] = []
    for (const name of Object.keys(STRUCTURES)) rows.push(rowOf(name, await measure(name, count, 4)))
    printTable(`${count} IPv4 networks`, HEAD, rows)
  }
  const [name = ''] = Object.keys(STRUCTURES)
  const rows = [rowOf(name, await measure(name, 50_000, 6)), rowOf(name, await measure(name, 200_000, 6))]
  printTable('IPv6 networks: 50,000 and 200,000', HEAD, rows)
}

const HEAD = ['structure', 'lookups/s', 'ns each', 'memory KiB', 'build ms', 'hits']

function rowOf(name: string, { perSecond, buildMs, bytes, share }: Measured): string[] {
  const figures = [perSecond, 1e9 / perSecond, bytes / 1_024, buildMs].map((figure) =>
    Math.round(figure).toLocaleString('en'),
  )
  return [name, ...figures, `${Math.round(share * 100)} %`]
}

type Stand = { postern: Running; password: string; close(): Promise<void> }

/** A real server with two fronts, an old server behind, and one enrolled user whose device is trusted. */
async function stand(wanted: Partial<Wanted> = {}): Promise<Stand> {
  const behind = await oldServer(USER, PASSWORD, [])
  const postern = await startPostern({
    backendPort: behind.port,
    fronts: 2,
    postern: { admin: { listen: '127.0.0.1:39110' }, log: { level: 'error' } },
    login: { failures: { reply_after: '0s' } },
    networks: { deny: ['lists/denied.txt'] },
    files: { 'lists/denied.txt': `${DENIED}.0.0/16\n` },
    ...wanted,
  })
  await postern.enroll(USER)
  const password = PASSWORD + postern.code(USER)
  await logIn({ port: postern.port, from: '127.0.0.5' }, USER, password)
  return {
    postern,
    password,
    close: async () => {
      await postern.close()
      behind.close()
    },
  }
}

async function denial(): Promise<void> {
  const { postern, close } = await stand()
  const { port, pid } = postern
  const fronts = postern.fronts()
  const cost = async (count: number, work: (i: number) => Promise<void>) => {
    await many(Math.ceil(count / 10), 16, work)
    const before = [cpuMs(fronts), cpuMs([pid])]
    await many(count, 16, work)
    // The last sums are on their way.
    await delay(1_200)
    const after = [cpuMs(fronts), cpuMs([pid])]
    return after.map((now, i) => (now - (before[i] ?? 0)) / count)
  }
  const knocks = await cost(20_000, (i) => knock({ port, from: `${DENIED}.${(i >> 8) & 255}.${i & 255 || 1}` }))
  const shakes = await cost(2_000, (i) => shakeHands({ port, from: `127.0.1.${i & 255 || 1}` }))
  await close()
  const us = (ms: number | undefined) => Math.round((ms ?? NaN) * 1_000).toLocaleString('en')
  const share = (i: number) => `1 : ${((shakes[i] ?? NaN) / (knocks[i] ?? NaN)).toFixed(1)}`
  printTable(
    'Processor time of one connection, in microseconds',
    ['', 'fronts', 'keeper'],
    [
      ['denied before TLS', us(knocks[0]), us(knocks[1])],
      ['full handshake, greeting, QUIT', us(shakes[0]), us(shakes[1])],
      ['ratio', share(0), share(1)],
    ],
  )
}

/** A crowd is one network of rates.yaml. The good client comes more often than anyone's mail program: only it gets that much. */
const RATES = {
  per_address: { connections: '120/1m', concurrent: 40 },
  per_network: { connections: '1200/1m', concurrent: 400, ipv4: 16 },
  known_factor: 1_000,
}

async function flood(): Promise<void> {
  const { postern, password, close } = await stand({
    postern: {
      admin: { listen: '127.0.0.1:39110' },
      log: { level: 'error' },
      checks: ['networks', 'rates'],
    },
    rates: RATES,
  })
  const to = { port: postern.port, from: '127.0.0.5' }
  const logins = async (until_: () => boolean) => {
    const took: number[] = []
    while (!until_()) {
      took.push(await logIn(to, USER, password))
      await delay(20)
    }
    return took
  }
  const quiet: number[] = await logins(
    (
      (n) => () =>
        n++ >= 60
    )(0),
  )
  const rows = [['quiet', '0', String(quiet.length), median(quiet).toFixed(1), '']]
  for (const [name, prefixes] of [
    ['one denied network', [DENIED]],
    ['a denied one and a rate-limited one', [DENIED, CROWD]],
    ['one rate-limited network', [CROWD]],
  ] as const) {
    let over = false
    const args = [here('flood.ts'), String(postern.port), String(FLOOD), '1000', ...prefixes]
    const strangers = run_(process.execPath, args, { timeout: 60_000 }).finally(() => {
      over = true
    })
    const took = await logins(() => over)
    await strangers
    const times = median(took) / median(quiet)
    rows.push([name, String(FLOOD), String(took.length), median(took).toFixed(1), `${times.toFixed(2)} x`])
  }
  await close()
  printTable(
    'Logins of a good client, median in ms',
    ['meanwhile', 'strangers', 'logins', 'median ms', 'against quiet'],
    rows,
  )
}

async function arrival(): Promise<void> {
  const { postern, password, close } = await stand()
  const open = await Promise.all(
    Array.from({ length: 4 }, () => session({ port: postern.port, from: '127.0.0.5' }, USER, password)),
  )
  const probes = { keeper: () => health(), fronts: () => Promise.all(open.map((one) => one.ask('NOOP'))) }
  const quiet = await watched(probes, () => delay(3_000))
  writeFileSync(join(postern.folder, 'policies/lists/denied.txt'), networks(200_000).join('\n'))
  const started = performance.now()
  const busy = await watched(probes, async () => {
    const { code, stderr } = await postern.cli('reload')
    if (code !== 0) throw new Error(stderr)
    await until('the fronts have it', () => isInForce(postern))
    await delay(500)
  })
  const seconds = (performance.now() - started) / 1_000
  for (const one of open) one.socket.destroy()
  await close()
  const row = (name: string, figures: number[]) => {
    const sorted = figures.toSorted((a, b) => a - b)
    const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? NaN).toFixed(1)
    return [name, String(figures.length), at(0.5), at(0.99), at(1)]
  }
  printTable(
    `Answers while 200,000 networks come into force (${seconds.toFixed(1)} s with the command), in ms`,
    ['', 'probes', 'median', 'p99', 'longest'],
    [
      row('keeper, quiet', quiet.keeper),
      row('keeper, meanwhile', busy.keeper),
      row('fronts, quiet', quiet.fronts),
      row('fronts, meanwhile', busy.fronts),
    ],
  )
}

function isInForce(postern: Running): boolean {
  return postern.audit('admin').filter(({ event }) => event.action === 'policy-loaded').length > 1
}

/** Asks again and again while `work` runs; gives how long each answer took. */
async function watched<K extends string>(
  probes: Record<K, () => Promise<unknown>>,
  work: () => Promise<void>,
): Promise<Record<K, number[]>> {
  let over = false
  const loops = Object.entries<() => Promise<unknown>>(probes).map(async ([name, ask]) => {
    const took: number[] = []
    while (!over) {
      const started = performance.now()
      await ask()
      took.push(performance.now() - started)
      await delay(2)
    }
    return [name, took] as const
  })
  await work()
  over = true
  return Object.fromEntries(await Promise.all(loops)) as Record<K, number[]>
}

function health(): Promise<void> {
  return new Promise((resolve, reject) => {
    get('http://127.0.0.1:39110/healthz', { agent: false }, (response) => {
      response.resume().on('end', resolve)
    }).on('error', reject)
  })
}
