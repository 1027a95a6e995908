import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certificate } from './certificate.ts'
import { must } from './exec.ts'
import type { Front, Wanted } from './front.ts'
import { plot } from './house.ts'
import { until } from './until.ts'

const TREE = new URL('../../..', import.meta.url).pathname
const LAUNCHER = join(TREE, 'src/launcher.js')
const START_MS = 60_000
const STOP_MS = 30_000

const POSTERN = (wanted: Wanted): string => `
listeners:
  - { name: outside, address: "127.0.0.1:0", tls: ${wanted.stls === true ? 'stls' : 'implicit'} }
tls:
  certificates:
    - { cert: tls/cert.pem, key: tls/key.pem }
backends:
${wanted.backends ?? `  - { name: old-mail, domains: ["*"], addresses: ["${wanted.backend.host}:${String(wanted.backend.port)}"] }`}
checks: [networks]
state: { store: sqlite, path: ../state, key_file: ../keys/master.key }
audit: { path: ../audit }
limits: { drain_time: 5s }
admin: { listen: off }
`
const LOGIN = `
second_factor:
  required_for: all
  methods: [totp]
trusted_device:
  for: 12h
`

/**
 * Starts `postern serve` in a temporary folder before the wanted old server, enrols the users, and gives its address.
 * `passwordFor` is the mailbox password with the code of the moment at which it is first asked. Throws with what Postern said.
 */
export async function startPostern(wanted: Wanted): Promise<Front> {
  const dir = await mkdtemp(await plot('postern-'))
  const config = join(dir, 'policies/postern.yaml')
  const { cert, key } = await certificate()
  for (const sub of ['policies/tls', 'state', 'keys', 'audit']) await mkdir(join(dir, sub), { recursive: true })
  await writeFile(join(dir, 'policies/tls/cert.pem'), cert)
  await writeFile(join(dir, 'policies/tls/key.pem'), key, { mode: 0o600 })
  await writeFile(config, POSTERN(wanted))
  await writeFile(join(dir, 'policies/login.yaml'), LOGIN)
  await writeFile(join(dir, 'policies/networks.yaml'), 'deny: []\n')
  const server = serve(config)
  const close = async (): Promise<void> => {
    await stop(server.child)
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const port = await listening(server)
    const secrets = new Map<string, string>()
    for (const user of wanted.users) secrets.set(user, await enrol(config, user))
    return { host: '127.0.0.1', port, ca: cert, passwordFor: typed(wanted.password, secrets), close }
  } catch (error) {
    await close()
    throw new Error(`postern serve:\n${server.said()}`, { cause: error })
  }
}

type Serving = { child: ChildProcess; said: () => string }

function serve(config: string): Serving {
  // Stops also when this process is killed.
  const argv = ['--pdeathsig', 'TERM', process.execPath, LAUNCHER, 'serve', '-c', config]
  const child = spawn('setpriv', argv, { cwd: TREE, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const hear = (bytes: Buffer): void => {
    said += bytes.toString('utf8')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.on('error', (error) => {
    said += error.message
  })
  return { child, said: () => said }
}

async function listening(server: Serving): Promise<number> {
  let port = 0
  await until('postern serve listens', START_MS, () => {
    if (gone(server.child)) throw new Error(`it ended with ${String(server.child.exitCode)}`)
    port = Number(/^listening \S+:(\d+)$/m.exec(server.said())?.[1] ?? 0)
    return port > 0
  })
  return port
}

function gone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function stop(child: ChildProcess): Promise<void> {
  if (gone(child)) return
  child.kill('SIGTERM')
  await until('postern serve stops', STOP_MS, () => gone(child)).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
}

async function enrol(config: string, user: string): Promise<string> {
  const said = await must([process.execPath, LAUNCHER, 'user', 'enroll', user, '--json', '-c', config], {
    ms: 30_000,
    cwd: TREE,
  })
  const { otpauth } = JSON.parse(said) as { otpauth: string }
  return otpauth
}

function typed(password: string, secrets: Map<string, string>): (user: string) => string {
  const kept = new Map<string, string>()
  return (user) => {
    const string = kept.get(user) ?? `${password}${code(secrets.get(user) ?? '', Date.now())}`
    kept.set(user, string)
    return string
  }
}

/** The code that an otpauth URI gives at a time in milliseconds (RFC 6238); written here anew, so that Postern is not checked against itself. */
function code(otpauth: string, now: number): string {
  const params = new URL(otpauth).searchParams
  const digits = Number(params.get('digits') ?? 6)
  const step = Math.floor(now / 1000 / Number(params.get('period') ?? 30))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const algorithm = (params.get('algorithm') ?? 'SHA1').toLowerCase()
  const mac = createHmac(algorithm, base32(params.get('secret') ?? ''))
    .update(counter)
    .digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 10 ** digits).padStart(digits, '0')
}

function base32(text: string): Buffer {
  const bits = [...text.replace(/=+$/, '')]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
