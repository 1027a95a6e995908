import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent, Stream } from '../../../src/audit/events.ts'
import { createTails, type Tails } from '../../../src/audit/follow.ts'
import { openJournal, type Journal } from '../../../src/audit/journal.ts'
import { rotatedName } from '../../../src/audit/stream-files.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { openPositions } from '../../../src/keeper/forward-positions.ts'
import { createForwarder } from '../../../src/keeper/forwarder.ts'
import { createForwards, type Forwards } from '../../../src/keeper/forwards.ts'
import type { ForwardPlan } from '../../../src/policy/forwards.ts'
import { CONNECTION } from '../../support/audit-events.ts'
import { testCertificate } from '../../support/certificate.ts'
import { connectHere, startCollector, type Collector } from '../../support/collector.ts'
import { until } from '../../support/running.ts'

const QUIET = { debug() {}, info() {}, warn() {}, error() {} } as never // prettier-ignore
const PACE = { retry: 5, longest: 20, receipt: 150, gap: 1, down: 30 }

let folder: string
let tails: Tails
let journal: Journal
let collector: Collector
let forwards: Forwards
let emitted: AuditEvent[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-forward-'))
  tails = createTails(folder)
  journal = await openJournal({ folder, clock: systemClock, log: QUIET, written: tails.written })
  collector = await startCollector()
  emitted = []
  forwards = await forwarding()
})
afterEach(async () => {
  await forwards.stop()
  await collector.stop('reset')
  await journal.close()
  rmSync(folder, { recursive: true, force: true })
})

async function forwarding(): Promise<Forwards> {
  const positions = await openPositions(folder, QUIET)
  const forwarder = { connect: connectHere, stop: () => undefined }
  const emit = (event: AuditEvent) => void emitted.push(event)
  return createForwards({ tails, positions, forwarder, clock: systemClock, log: QUIET, emit, pace: PACE })
}

const plan = (streams: Stream[] = ['auth'], tls: ForwardPlan['tls'] = null): ForwardPlan => ({
  to: { label: `to:${String(collector.port)}`, secure: tls !== null, host: '127.0.0.1', port: collector.port },
  streams,
  tls,
})

let written = 0
async function log(lines: number): Promise<void> {
  for (let i = 0; i < lines; i++) {
    journal.write({ stream: 'auth', action: 'login-failed', connection: CONNECTION, user: `u${String(written++)}`, reason: 'code-wrong' }) // prettier-ignore
  }
  await journal.durable()
}

/** The numbers of the lines that came, as they came. */
const seqs = (from = collector) => from.messages.map((message) => Number(/"seq":(\d+)/.exec(message)?.[1]))
const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i)
const receipt = (n: number) =>
  until('the receipt', () => existsSync(join(folder, 'forwards.json')) && readFileSync(join(folder, 'forwards.json'), 'utf8').includes(`"auth":${String(n)}}`), 5_000) // prettier-ignore
const idle = () => until('all is sent', () => forwards.states()[0]?.lag === 0)
const came = (n: number) => until(`${String(n)} lines`, () => seqs().includes(n), 5_000)

describe('a forward', () => {
  test('sends the lines as they are, each in a frame of RFC 5424, and only of its streams', async () => {
    forwards.use([plan()])
    await log(2)
    journal.write({ stream: 'admin', action: 'server-stopped', reason: 'x' })
    await log(1)
    await came(3)
    const lines = readFileSync(join(folder, 'auth.jsonl'), 'utf8').trimEnd().split('\n')
    expect(collector.messages.map((message) => message.slice(message.indexOf('{')))).toEqual(lines)
    const { '@timestamp': at } = JSON.parse(lines[0] ?? '') as { '@timestamp': string }
    expect(collector.messages[0]).toMatch(
      new RegExp(`^<84>1 ${at} [!-~]+ postern ${String(process.pid)} login-failed - \\{`),
    )
    await idle()
    expect(forwards.states()).toMatchObject([{ fault: null, lag: 0, again: 0, lost: 0 }])
  })

  test('gives every line once, in order, when the collector is stopped for a while, in the midst of the flow too', async () => {
    forwards.use([plan()])
    for (let round = 0; round < 3; round++) {
      await log(40)
      await came(120 * round + 40)
      await collector.stop()
      await log(80)
      await delay(30)
      await collector.start()
      await came(120 * round + 120)
    }
    expect(seqs()).toEqual(upTo(360))
    expect(forwards.states()).toMatchObject([{ again: 0 }])
  })

  test('proves by closing that what it sent was read, and remembers that over a restart', async () => {
    forwards.use([plan()])
    await log(5)
    await receipt(5)
    await log(5)
    await forwards.stop()
    await log(5)
    forwards = await forwarding()
    forwards.use([plan()])
    await came(15)
    expect(seqs()).toEqual(upTo(15))
  })

  test('sends again what a collector that crashed may not have read, and loses nothing', async () => {
    forwards.use([plan()])
    await log(10)
    await came(10)
    collector.deafen()
    await log(10)
    await delay(20)
    await collector.stop('reset')
    await collector.start()
    await came(20)
    expect([...new Set(seqs())]).toEqual(upTo(20))
    expect(seqs().slice(-20)).toEqual(upTo(20))
    expect(forwards.states()[0]?.again).toBeGreaterThan(0)
  })

  test('goes on through rotation and packing, and says which lines were removed before they were sent', async () => {
    forwards.use([plan()])
    await log(3)
    await receipt(3)
    await forwards.stop()
    await journal.close()
    const current = join(folder, 'auth.jsonl')
    renameSync(current, join(folder, rotatedName('auth', 1)))
    const lines = readFileSync(join(folder, rotatedName('auth', 1)), 'utf8')
    writeFileSync(join(folder, `${rotatedName('auth', 1)}.gz`), gzipSync(lines))
    unlinkSync(join(folder, rotatedName('auth', 1)))
    // Lines 4 to 9 were in a file that is gone; the stream goes on with 10.
    writeFileSync(
      current,
      lines.replaceAll(/"seq":(\d)/g, (_, n: string) => `"seq":${String(Number(n) + 9)}`),
    )
    forwards = await forwarding()
    forwards.use([plan()])
    await came(12)
    expect(seqs()).toEqual([1, 2, 3, 10, 11, 12])
    expect(emitted).toContainEqual({ stream: 'admin', action: 'forward-lost', forward: plan().to.label, file: 'auth.jsonl', lines: 6 }) // prettier-ignore
    expect(forwards.states()).toMatchObject([{ lost: 6 }])
  })

  test('tells the audit when the collector is down for long and when it is back, and how old the oldest line is', async () => {
    await collector.stop()
    forwards.use([plan()])
    await log(1)
    await until('it is told', () => emitted.length > 0)
    expect(emitted).toMatchObject([
      { action: 'forward-failed', reason: expect.stringContaining('ECONNREFUSED') as string },
    ])
    expect(forwards.states()).toMatchObject([{ down: true, fault: expect.stringContaining('ECONNREFUSED') as string }])
    expect(forwards.states()[0]?.lag).toBeGreaterThan(0.02)
    await collector.start()
    await until('it is told', () => emitted.length > 1)
    expect(emitted[1]).toMatchObject({ action: 'forward-recovered' })
    await idle()
    expect(forwards.states()).toMatchObject([{ down: false, lag: 0 }])
  })

  test('never keeps the journal waiting for a collector that takes nothing', async () => {
    forwards.use([plan()])
    await log(1)
    await came(1)
    collector.deafen()
    for (let i = 0; i < 10; i++) await log(200)
    expect(journal.lagSeconds()).toBe(0)
    // Or the stop would wait for it.
    await collector.stop('reset')
  })

  test('is taken up and dropped by a reload; another collector begins with the next line', async () => {
    forwards.use([plan()])
    await log(1)
    await came(1)
    const other = await startCollector()
    const second = { ...plan(), to: { ...plan().to, label: 'other', port: other.port } }
    forwards.use([plan(), second])
    await log(1)
    await until('the second', () => other.messages.length > 0)
    forwards.use([second])
    await log(1)
    await until('the second', () => other.messages.length > 1)
    expect([seqs(), seqs(other)]).toEqual([[1, 2], [2, 3]]) // prettier-ignore
    forwards.use([])
    await other.stop()
  })
})

describe('over TLS', () => {
  test('a collector is verified: by its authority, and by its name', async () => {
    const good = await testCertificate(['log.example.com'])
    const others = await testCertificate(['log.example.com'])
    await collector.stop()
    collector = await startCollector({ cert: good.cert, key: good.key })
    const tls = (ca: string, name: string | null) => ({ ca, name, cert: null, key: null })
    const faultOf = async (wanted: ForwardPlan['tls'], fault: RegExp) => {
      forwards.use([plan(['auth'], wanted)])
      await until(String(fault), () => fault.test(forwards.states()[0]?.fault ?? ''))
    }
    await faultOf(tls(others.cert, 'log.example.com'), /self-signed|unable to verify|signature/)
    await faultOf(tls(good.cert, null), /IP: 127\.0\.0\.1 is not in/)
    await faultOf(tls(good.cert, 'other.example.com'), /other\.example\.com\. is not in/)
    expect(collector.messages).toEqual([])
    forwards.use([plan(['auth'], tls(good.cert, 'log.example.com'))])
    await log(30)
    await came(30)
    await collector.stop()
    await log(30)
    await collector.start()
    await came(60)
    expect(seqs()).toEqual(upTo(60))
  })
})

describe('the process that forwards', () => {
  test('is replaced when it dies, and has no powers: not even the code of others to read', async () => {
    const forwarder = createForwarder(() => null)
    const positions = await openPositions(folder, QUIET)
    const emit = () => undefined
    const apart = createForwards({ tails, positions, forwarder, clock: systemClock, log: QUIET, emit, pace: PACE })
    const before = children()
    apart.use([plan()])
    await log(3)
    await came(3)
    const [child = 0] = children().filter((pid) => !before.includes(pid))
    const line = readFileSync(`/proc/${String(child)}/cmdline`, 'utf8').split('\0')
    expect(line).toEqual(expect.arrayContaining(['--permission', '--allow-net', '--disable-sigusr1']))
    expect(readFileSync(`/proc/${String(child)}/environ`, 'utf8')).not.toMatch(/PATH=/)
    process.kill(child, 'SIGKILL')
    await log(3)
    await came(6)
    expect([...new Set(seqs())]).toEqual(upTo(6))
    await apart.stop()
    await until('it is gone', () => children().every((pid) => before.includes(pid)))
  })
})

function children(): number[] {
  return readFileSync(`/proc/self/task/${String(process.pid)}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number) // prettier-ignore
}
