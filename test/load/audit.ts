/** `npm run bench -- audit [SECONDS]`: lines through the chain to disk with the login guarantee on, and how fast they are proven. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditEvent } from '../../src/audit/events.ts'
import { openJournal, type Journal } from '../../src/audit/journal.ts'
import { verifyFolder } from '../../src/audit/verify-folder.ts'
import { systemClock } from '../../src/base/clock.ts'
import { printTable } from './table.ts'

const SECONDS = 5
/** Logins under way at a time: each writes its lines, then waits until they are on disk. */
const LOGINS = [1, 100, 2_000]
const RUNS = 3

const CONNECTION = {
  session: '0123456789abcdef01234567',
  listener: 'outside',
  ip: '192.0.2.7',
  port: 50_123,
  country: 'DE',
  asn: 64_496,
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    ja4: 't13d1516h2_8daaf6152771_b186095e22b6',
    serverName: 'mail.example.com',
    resumed: false,
  },
}

/** What one login leaves: that it succeeded, and that its session opened and closed. */
function linesOf(user: string): AuditEvent[] {
  const counts = { bytesToClient: 51_234, bytesFromClient: 312, retrieved: 3, deleted: 0, marked: 0, durationMs: 812 }
  const backend = 'old-mail'
  const connection = CONNECTION
  return [
    {
      stream: 'auth',
      action: 'login-succeeded',
      connection,
      user,
      factor: 'trusted-device',
      backend,
      device: 'a1b2c3d4',
    },
    { stream: 'session', action: 'session-opened', connection, user, backend },
    { stream: 'session', action: 'session-closed', connection, user, backend, counts, reason: 'quit' },
  ]
}

function open(folder: string): Promise<Journal> {
  let keys: Buffer | null = null
  return openJournal({
    folder,
    clock: systemClock,
    log: { error: (facts) => process.stderr.write(`${JSON.stringify(facts)}\n`), info: () => undefined },
    limits: { every: 86_400_000, size: 104_857_600, keep: 1e12, max: 1e12 },
    sealing: {
      read: () => Promise.resolve(keys),
      write: (packed) => Promise.resolve(void (keys = Buffer.from(packed))),
    },
  })
}

type Written = { rate: number; logins: number; cpu: number }

async function write(folder: string, atATime: number, seconds: number): Promise<Written> {
  const journal = await open(folder)
  let lines = 0
  let logins = 0
  const until = performance.now() + seconds * 1_000
  const began = performance.now()
  const cpu = process.cpuUsage()
  const login = async (n: number) => {
    while (performance.now() < until) {
      for (const event of linesOf(`user-${n}@example.com`)) {
        journal.write(event)
        lines++
      }
      await journal.durable()
      logins++
    }
  }
  await Promise.all(Array.from({ length: atATime }, (_, n) => login(n)))
  const took = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await journal.close()
  return { rate: lines / took, logins: logins / took, cpu: (user + system) / lines }
}

async function prove(folder: string): Promise<{ speed: number; rate: number; cpu: number }> {
  let octets = 0
  let lines = 0
  const began = performance.now()
  const cpu = process.cpuUsage()
  const reports = await verifyFolder(folder, { notes: null, live: false, read: (_, read) => (octets += read) })
  for (const { verified } of reports) {
    if (verified.at !== 'whole') throw new Error(`the bench wrote a broken stream: ${JSON.stringify(verified)}`)
    lines += verified.lines
  }
  const took = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { speed: octets / took / 1e6, rate: lines / took, cpu: octets / (user + system) }
}

/** Prints two tables. Figures are of this process alone; the disk is that of the temporary folder. */
export async function run([seconds = String(SECONDS)]: string[]): Promise<void> {
  const written: string[][] = []
  const proven: string[][] = []
  for (let n = 0; n < RUNS; n++) {
    for (const atATime of LOGINS) {
      const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'))
      try {
        const { rate, logins, cpu } = await write(folder, atATime, Number(seconds))
        written.push([String(atATime), rate.toFixed(0), logins.toFixed(0), `${cpu.toFixed(1)} us`])
        if (atATime !== LOGINS.at(-1)) continue
        const sizes = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))))
        const mb = sizes.reduce((sum, { size }) => sum + size, 0) / 1e6
        const { speed, rate: lines, cpu: perCpu } = await prove(folder)
        proven.push([mb.toFixed(0), speed.toFixed(0), perCpu.toFixed(0), lines.toFixed(0)])
      } finally {
        await rm(folder, { recursive: true })
      }
    }
  }
  printTable(
    'Written, each login waiting for its lines',
    ['logins at a time', 'lines/s', 'logins/s', 'CPU a line'],
    written,
  )
  printTable('Proven', ['MB on disk', 'MB/s', 'MB a CPU second', 'lines/s'], proven)
}
