/** A real `postern serve` in a temporary folder, as tests need it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { askServer } from '../../src/keeper/control.ts'
import { testCertificate } from './certificate.ts'

export const LAUNCHER = new URL('../../src/launcher.js', import.meta.url).pathname
const PATIENCE_MS = 30_000

type Policy = Record<string, unknown>
export type Wanted = {
  backendPort: number
  /** One is half a start cheaper; two where it matters which of them a connection comes to. */
  fronts?: 1 | 2
  /** Merged over a working set, one level deep. */
  postern?: Policy
  login?: Policy
  networks?: Policy
  reputation?: Policy
  /** Written when `checks` names it. */
  rates?: Policy
  /** Other files of the policy folder, such as lists, by name. */
  files?: Record<string, string | Buffer>
  environment?: Record<string, string>
  /** The folder of one that ended: the same policies and the same state. */
  folder?: string
}

export type Line = { '@timestamp': string; event: { action: string; reason?: string } } & Record<string, unknown>
export type Ran = { code: number; stdout: string; stderr: string }

export type Running = {
  folder: string
  config: string
  port: number
  /** Of all listeners, in the order of the policies. */
  ports(): number[]
  pid: number
  log(): string
  /** Enrols a user; codes come from {@link Running.code} then. */
  enroll(user: string): Promise<void>
  /** The code of this moment, or of so many steps away. */
  code(user: string, steps?: number): string
  /** One of the ten that the enrolment gave. */
  recoveryCode(user: string, index: number): string
  /** Whole lines that are in a stream by now, but for its seals: these come with time, not with what a test does. */
  audit(stream: string): Line[]
  cli(...args: string[]): Promise<Ran>
  fronts(): number[]
  /** Gives the exit code once it has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Stops what still runs and removes the folder. */
  close(): Promise<void>
}

/** Waits until `found` gives something; throws with `what` when it does not in time. */
export async function until<T>(what: string, found: () => T | null | undefined | false, ms = PATIENCE_MS): Promise<T> {
  for (const end = performance.now() + ms; ; await delay(20)) {
    const got = found()
    if (got !== null && got !== undefined && got !== false) return got
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
  }
}

/** Starts it and waits until it listens. Throws with its log when it does not. */
export async function startPostern(wanted: Wanted): Promise<Running> {
  const folder = wanted.folder ?? mkdtempSync(join(tmpdir(), 'postern-test-'))
  const config = join(folder, 'policies/postern.yaml')
  if (wanted.folder === undefined) await writePolicies(folder, wanted)
  const environment = { ...process.env, ...wanted.environment }
  const child = spawn(process.execPath, [LAUNCHER, 'serve', '-c', config], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = listen(child)
  const seeds = new Map<string, Buffer>()
  const recovery = new Map<string, string[]>()
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const cli = (...args: string[]) => run([...args, '-c', config], environment)
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  try {
    const port = await until('postern serve listens', () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      return Number(/^listening \S+:(\d+)$/m.exec(said.out)?.[1] ?? 0) || null
    })
    return {
      folder,
      config,
      port,
      ports: () => [...said.out.matchAll(/^listening \S+:(\d+)$/gm)].map(([, found]) => Number(found)),
      pid: child.pid ?? 0,
      log: () => said.err,
      cli,
      stop,
      async enroll(user) {
        const answered = await askServer(join(folder, 'state'), 'user.enroll', { user, replace: false })
        const { otpauth, recovery_codes } = answered?.result as { otpauth: string; recovery_codes: string[] }
        recovery.set(user, recovery_codes)
        seeds.set(user, fromBase32(new URL(otpauth).searchParams.get('secret') ?? ''))
      },
      code: (user, steps = 0) => totp(seeds.get(user) ?? Buffer.alloc(0), Math.floor(Date.now() / 30_000) + steps),
      recoveryCode: (user, index) => recovery.get(user)?.[index] ?? '',
      audit: (stream) => readStream(join(folder, 'state/audit', `${stream}.jsonl`)),
      fronts: () => childrenOf(child.pid ?? 0),
      async close() {
        await stop('SIGKILL')
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`postern serve:\n${said.err}`, { cause: error })
  }
}

/** Runs one command of the command line to its end. */
export function run(args: string[], environment: NodeJS.ProcessEnv = process.env): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [LAUNCHER, ...args],
      { env: environment, timeout: PATIENCE_MS },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout, stderr })
      },
    )
  })
}

/** A policy folder that works, with what the test wants laid over it. JSON is YAML. */
export async function writePolicies(folder: string, wanted: Wanted): Promise<void> {
  const policies = join(folder, 'policies')
  mkdirSync(join(policies, 'tls'), { recursive: true })
  mkdirSync(join(policies, 'lists'), { recursive: true })
  const { cert, key } = await testCertificate(['localhost'])
  writeFileSync(join(policies, 'tls/cert.pem'), cert)
  writeFileSync(join(policies, 'tls/key.pem'), key, { mode: 0o600 })
  const write = (name: string, policy: Policy) => {
    writeFileSync(join(policies, name), JSON.stringify(policy, null, 2))
  }
  write('postern.yaml', {
    listeners: [{ name: 'outside', address: '127.0.0.1:0' }],
    tls: { certificates: [{ cert: 'tls/cert.pem', key: 'tls/key.pem' }] },
    backends: [{ name: 'old-mail', addresses: [`127.0.0.1:${wanted.backendPort}`] }],
    checks: wanted.reputation === undefined ? ['networks'] : ['networks', 'reputation'],
    processes: { fronts: wanted.fronts ?? 1, user: 'nobody' },
    limits: { drain_time: '2s' },
    admin: { listen: 'off' },
    ...wanted.postern,
  })
  write('login.yaml', { second_factor: { required_for: 'all' }, failures: { reply_after: '100ms' }, ...wanted.login })
  write('networks.yaml', { mode: 'enforce', ...wanted.networks })
  if (wanted.reputation !== undefined) write('reputation.yaml', wanted.reputation)
  for (const [name, text] of Object.entries(wanted.files ?? {})) writeFileSync(join(policies, name), text)
  if (wanted.rates !== undefined) write('rates.yaml', wanted.rates)
}

function listen(child: ChildProcess): { out: string; err: string } {
  const said = { out: '', err: '' }
  child.stdout?.on('data', (bytes: Buffer) => (said.out += bytes.toString()))
  child.stderr?.on('data', (bytes: Buffer) => (said.err += bytes.toString()))
  return said
}

function readStream(file: string): Line[] {
  if (!existsSync(file)) return []
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Line).filter(({ event }) => event.action !== 'audit-sealed')
}

function childrenOf(pid: number): number[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parentOf = (id: string) => {
    try {
      return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1])
    } catch {
      return 0
    }
  }
  return ids.filter((id) => parentOf(id) === pid).map(Number)
}

/** RFC 6238, written here anew, so that Postern is not checked against itself. */
function totp(seed: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', seed).update(counter).digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

function fromBase32(text: string): Buffer {
  const digit = (letter: string) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')
  const bits = [...text].map(digit).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
