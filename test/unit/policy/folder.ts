/** Policy folders for the tests: a complete one, changed as the test says. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { generate } from 'selfsigned'
import { afterAll } from 'vitest'
import { type Loaded, type LoadOptions, loadPolicies } from '../../../src/policy/load.ts'

export const NOW = Date.parse('2026-11-21T12:00:00Z')
export const DAY = 86_400_000

export const POSTERN = `tls: { certificates: [{ cert: tls/cert.pem, key: tls/key.pem }] }
backends:
  - name: old
    addresses: ["127.0.0.1:110"]
`
export const LOGIN = 'second_factor: { required_for: all }\n'
export const NETWORKS = 'deny: [lists/denied.txt]\n'

const made: string[] = []
afterAll(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true })
})

type Dates = { from?: number; to?: number; names?: string[] }

/** A self-signed pair in PEM. */
export async function pair({ from = NOW - DAY, to = NOW + 90 * DAY, names = ['mail.example.com'] }: Dates = {}) {
  const extensions = [
    { name: 'subjectAltName' as const, altNames: names.map((value) => ({ type: 2 as const, value })) },
  ]
  const made = await generate([{ name: 'commonName', value: 'mail.example.com' }], {
    keyType: 'ec',
    notBeforeDate: new Date(from),
    notAfterDate: new Date(to),
    extensions: names.length === 0 ? [{ name: 'basicConstraints' as const, cA: false }] : extensions,
  })
  return { cert: made.cert, key: made.private }
}

let usual: ReturnType<typeof pair> | undefined

/** Writes a folder and gives its path. A null content leaves that file out. */
export async function folderOf(files: Record<string, string | Buffer | null> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'policies-'))
  made.push(folder)
  const { cert, key } = await (usual ??= pair())
  const all: Record<string, string | Buffer | null> = {
    'postern.yaml': POSTERN,
    'login.yaml': LOGIN,
    'networks.yaml': NETWORKS,
    'lists/denied.txt': '192.0.2.0/24\n',
    'tls/cert.pem': cert,
    'tls/key.pem': key,
    ...files,
  }
  for (const [name, content] of Object.entries(all)) {
    if (content === null) continue
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
    await chmod(join(folder, name), 0o600)
  }
  return folder
}

/** Loads a folder; faults and warnings come without its path. */
export async function load(
  files: Record<string, string | Buffer | null> = {},
  environment: Record<string, string> = {},
  options: LoadOptions = {},
): Promise<Loaded> {
  return loadFolder(await folderOf(files), environment, options)
}

export async function loadFolder(
  folder: string,
  environment: Record<string, string> = {},
  options: LoadOptions = {},
): Promise<Loaded> {
  const loaded = await loadPolicies(join(folder, 'postern.yaml'), environment, { now: NOW, ...options })
  const bare = (lines: string[]) => lines.map((line) => line.replaceAll(`${folder}/`, ''))
  const warnings = bare(loaded.warnings)
  return loaded.ok ? { ...loaded, warnings } : { ...loaded, warnings, faults: bare(loaded.faults) }
}

export async function faultsOf(...args: Parameters<typeof load>): Promise<string[]> {
  const loaded = await load(...args)
  return loaded.ok ? [] : loaded.faults
}

/** Loads and fails the test when there is a fault. */
export async function good(...args: Parameters<typeof load>): Promise<Extract<Loaded, { ok: true }>> {
  const loaded = await load(...args)
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'))
  return loaded
}
