/** Forwards to real collectors: rsyslog and syslog-ng, over TCP and TLS, stopped and started meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { Stream } from '../../src/audit/events.ts'
import { createTails } from '../../src/audit/follow.ts'
import { openJournal, type Journal } from '../../src/audit/journal.ts'
import { systemClock } from '../../src/base/clock.ts'
import { openPositions } from '../../src/keeper/forward-positions.ts'
import { createForwarder } from '../../src/keeper/forwarder.ts'
import { createForwards, type Forwards } from '../../src/keeper/forwards.ts'
import { frontIdentity } from '../../src/keeper/supervise.ts'
import { CONNECTION } from '../support/audit-events.ts'
import { HOSTILE } from '../support/hostile-names.ts'
import { KINDS, startCollector, type Collector, type Transport } from './servers/collectors.ts'
import { certificate } from './support/certificate.ts'
import { makeHouse } from './support/house.ts'
import { until } from './support/until.ts'

const QUIET = { debug() {}, info() {}, warn() {}, error() {} } as never // prettier-ignore
const STREAMS: Stream[] = ['auth', 'session']

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

type Stand = { journal: Journal; collector: Collector; forwards: Forwards; log(lines: number, name?: string): Promise<void>; written: Record<string, number> } // prettier-ignore

async function stand(kind: string, transport: Transport): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-collectors-'))
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const house = await makeHouse(`${kind}-${transport}`, [])
  closers.push(house.demolish)
  const pair = await certificate()
  const port = 20_000 + (process.pid % 20_000)
  const collector = await startCollector(house, KINDS[kind] ?? never(kind), transport, port, pair)
  closers.push(() => collector.stop('SIGKILL'))
  const tails = createTails(folder)
  const journal = await openJournal({ folder, clock: systemClock, log: QUIET, written: tails.written })
  closers.push(() => journal.close())
  const forwarder = createForwarder(() => frontIdentity('nobody', () => undefined))
  const positions = await openPositions(folder, QUIET)
  const forwards = createForwards({
    tails,
    positions,
    forwarder,
    clock: systemClock,
    log: QUIET,
    emit: () => undefined,
  })
  const tls = transport === 'tls' ? { ca: pair.cert, name: 'localhost', cert: null, key: null } : null
  forwards.use([{ to: { label: kind, secure: tls !== null, host: house.address, port }, streams: STREAMS, tls }])
  closers.push(() => forwards.stop())
  const written = { auth: 0, session: 0 }
  const log = async (lines: number, user = 'ann') => {
    for (let i = 0; i < lines; i++) {
      const login = { connection: CONNECTION, user } as const
      journal.write({ stream: 'auth', action: 'login-failed', ...login, reason: 'password-wrong' })
      written.auth++
      if (i % 2 === 0) continue
      journal.write({ stream: 'session', action: 'session-opened', ...login, backend: 'old' })
      written.session++
    }
    await journal.durable()
  }
  return { journal, collector, forwards, log, written }
}

function never(kind: string): never {
  throw new Error(kind)
}

const numbers = (got: string[], stream: string) =>
  got.filter((line) => line.includes(`"dataset":"postern.${stream}"`)).map((line) => Number(/"seq":(\d+),/.exec(line)?.[1])) // prettier-ignore
const upTo = (n = 0) => Array.from({ length: n }, (_, i) => i + 1)
const allCame = ({ collector, written }: Stand) =>
  until('all lines', 60_000, () =>
    Object.entries(written).every(([stream, n]) => n === 0 || numbers(collector.got(), stream).includes(n)),
  )

describe.each(Object.keys(KINDS))('%s', (kind) => {
  test.each<Transport>(['tcp', 'tls'])(
    'over %s gets every event once and in order, though it is stopped for a while',
    async (transport) => {
      const here = await stand(kind, transport)
      for (const name of Object.values(HOSTILE)) await here.log(2, name)
      await here.log(300)
      await allCame(here)
      await here.collector.stop()
      for (let i = 0; i < 10; i++) {
        await here.log(100)
        await delay(200)
      }
      await here.collector.start()
      await here.log(300)
      await allCame(here)
      for (const [stream, n] of Object.entries(here.written))
        expect(numbers(here.collector.got(), stream)).toEqual(upTo(n))
      for (const line of here.collector.got())
        expect(line).toMatch(/^<8[46]>1 \S+ \S+ postern \d+ [a-z-]+ - \{"@timestamp.*\}\}$/)
      expect(here.forwards.states()).toMatchObject([{ fault: null, again: 0, lost: 0 }])
    },
  )

  test('stopped in the midst of the flow misses nothing; what comes twice has its number twice', async () => {
    const here = await stand(kind, 'tcp')
    let flowing = true
    const flow = (async () => {
      while (flowing) {
        await here.log(2)
        await delay(5)
      }
    })()
    for (let round = 0; round < 3; round++) {
      await delay(1_000)
      await here.collector.stop()
      await delay(1_000)
      await here.collector.start()
    }
    flowing = false
    await flow
    await allCame(here)
    for (const [stream, n] of Object.entries(here.written)) {
      const got = numbers(here.collector.got(), stream)
      expect([...new Set(got)]).toEqual(upTo(n))
    }
    expect(here.forwards.states()).toMatchObject([{ fault: null, lost: 0 }])
  })
})
