/** The C programs of `tools/`: an old server that costs next to nothing, and the load. */
import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { encodeBase32 } from '../../src/factors/base32.ts'
import { freePort, need, start, type Account } from './measured.ts'

const run = promisify(execFile)
const here = (name: string) => new URL(`tools/${name}`, import.meta.url).pathname

/** All users of a bench share it, as the load generator knows one secret. */
export const TOTP_SEED = Buffer.alloc(20, 'postern')
export const PASSWORD = 'pw'

export type OldMail = { port: number; stop(): Promise<void> }

/** Builds the programs, and starts the old server. */
export async function oldMail(): Promise<OldMail> {
  need({ '/usr/bin/gcc': 'gcc', '/usr/bin/make': 'make', '/usr/include/openssl/ssl.h': 'libssl-dev' })
  execFileSync('make', ['-s', '-C', here('.')])
  const port = await freePort()
  const { stop } = await start([here('pop3d'), '-p', String(port)], port)
  return { port, stop }
}

/** What a run printed; see `tools/README.md` for the fields. */
export type Load = Record<string, number> & { err: string }

export type LoadOptions = {
  port: number
  /** The password that is typed: `pw`, with the code of the moment where that is asked for. */
  pass: string
  account: Account | null
  /** As `pop3load` has them, without the dashes; true stands for a bare one. */
  flags: Record<string, string | number | true>
}

/** Runs the load generator. Throws when sessions failed: figures of such a run say nothing. */
export async function load(options: LoadOptions): Promise<Load> {
  const [file, args] = generator(options)
  const { stdout } = await run(file, args, { maxBuffer: 1e7 }).catch((error: Error & { stdout?: string }) => ({
    stdout: error.stdout ?? '',
  }))
  return read(stdout, args)
}

/** The load generator and what it is called with. */
export function generator({ port, pass, account, flags }: LoadOptions): [file: string, args: string[]] {
  const all = { port, pass, 'totp-secret': encodeBase32(TOTP_SEED), ...flags }
  const args = Object.entries<string | number | true>(all).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  )
  return [here('pop3load'), [...args, ...(account?.args ?? [])]]
}

/** Reads a line that it printed. Throws when sessions failed. */
export function read(stdout: string, args: string[]): Load {
  const figures = JSON.parse(stdout || '{"err":"it printed nothing"}') as Load
  if ((figures['failed'] ?? 1) > 0) throw new Error(`${args.join(' ')}: ${stdout}`)
  return figures
}
