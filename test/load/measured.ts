/** Programs that are measured: each in a group of its own whose processor time is counted, and ended with it. */
import { spawn, spawnSync, execFileSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const GROUPS = '/sys/fs/cgroup/cpuacct'
const PATIENCE_MS = 20_000

/** Where the load generator finds how much processor time was used: `--cgroup DIR`, or `--watch PID` where there are no groups. */
export type Account = { args: string[]; cpuMs(): number; adopt(pids: number[]): void; close(): void }

/** Opens an account of processor time for a program that is started in it, or adopted. */
export function account(name: string, pid: () => number): Account {
  const folder = `${GROUPS}/postern-bench-${name}-${process.pid}`
  if (!canGroup(folder)) return watching(pid)
  return {
    args: ['--cgroup', folder],
    cpuMs: () => Number(readFileSync(`${folder}/cpuacct.usage`, 'utf8')) / 1e6,
    adopt(pids) {
      for (const one of pids) writeFileSync(`${folder}/cgroup.procs`, String(one))
    },
    close() {
      try {
        rmdirSync(folder)
      } catch {
        // What still ends is moved nowhere; an empty group costs nothing.
      }
    },
  }
}

function canGroup(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}

function watching(pid: () => number): Account {
  return {
    get args() {
      return ['--watch', String(pid())]
    },
    cpuMs: () => cpuMs(treeOf(pid())),
    adopt: () => undefined,
    close: () => undefined,
  }
}

/** Processor time of processes in ms, user and system, in steps of 10. */
export function cpuMs(pids: number[]): number {
  const ticksOf = (pid: number) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ') // prettier-ignore
    return Number(fields[11]) + Number(fields[12])
  }
  return pids.reduce((sum, one) => sum + ticksOf(one) * 10, 0)
}

/** A process and all below it. */
export function treeOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  const below = existsSync(path) ? readFileSync(path, 'utf8').split(' ').map(Number).filter(Boolean) : []
  return [pid, ...below.flatMap(treeOf)]
}

/** Memory of processes in KiB: each page counted once, shared among all that hold it. */
export function pssKib(pids: number[]): number {
  const of = (one: number) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  return pids.reduce((sum, one) => sum + of(one), 0)
}

/** What of it the C allocator has: unlike the heap of JavaScript it shows at once what is never given back. */
export function mallocKib(pids: number[]): number {
  const of = (one: number) => {
    const maps = readFileSync(`/proc/${one}/smaps`, 'utf8')
    return Number(/\[heap\]\n(?:\w+:.*\n)*?Pss:\s+(\d+)/.exec(maps)?.[1] ?? 0)
  }
  return pids.reduce((sum, one) => sum + of(one), 0)
}

export type Program = { pid: number; said(): string; stop(): Promise<void> }

/** Starts a program and waits until it accepts on a port of 127.0.0.1. Throws with what it said when it does not. */
export async function start(argv: string[], port: number, adopt?: Account): Promise<Program> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const hear = (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4_000))
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  // A shell would do to start it in the group; what it has used until it listens is nothing.
  for (const end = performance.now() + PATIENCE_MS; !(await isOpen(port)); await delay(50)) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`${argv.join(' ')}: ${said}`)
  }
  adopt?.adopt(treeOf(child.pid ?? 0))
  return { pid: child.pid ?? 0, said: () => said, stop: () => ended(child) }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await gone
  clearTimeout(late)
}

function isOpen(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(300) }).then(
    () => true,
    (error: Error & { cause?: { code?: string } }) => error.cause?.code !== 'ECONNREFUSED',
  )
}

/** A port that nobody had a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => {
        resolve(port)
      })
    })
  })
}

/** Sees to it that these files are there: installs the Debian packages that bring them, or says which are missing. */
export function need(wanted: Record<string, string>): void {
  const missing = Object.entries(wanted).filter(([path]) => !existsSync(path))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(([, name]) => name))]
  if (process.getuid?.() !== 0) throw new Error(`install first: ${packages.join(' ')}`)
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    execFileSync('apt-get', args, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  }
}

/** The first line of what a program prints, such as its version. */
export function firstLine(file: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' })
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? ''
}
