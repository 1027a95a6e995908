/**
 * Everything that people type in a day, and then all of `state/` is searched for it: as the files are, and as who holds the
 * master key besides can open them. A seed opens with the key, as it must; nothing else that was typed or made does.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reveal, Secret } from '../../src/base/secret.ts'
import { oldServer, type OldServer } from '../../src/demo/old-server.ts'
import { codeOf, stepAt } from '../../src/factors/totp.ts'
import { askServer } from '../../src/keeper/control.ts'
import { createKeyring, type SealPurpose } from '../../src/state/secrets.ts'
import { openClient } from '../dialog/peers.ts'
import { LAUNCHER, startPostern, until, type Running } from '../support/running.ts'

const ANN = 'ann@example.com'
const PASSWORD = 'Korrekt Pferd, Batterie'
const WRONG = 'Falsche Heftklammer'
const ABROAD = '127.99.0.1'

let old: OldServer
let postern: Running
let seed: Buffer
const typed = { codes: new Set<string>(), words: new Map<string, string>() }

beforeAll(async () => {
  old = await oldServer(ANN, PASSWORD, [Buffer.from('Subject: x\r\n\r\nx\r\n')])
  postern = await startPostern({ backendPort: old.port })
  await aDay()
}, 60_000)
afterAll(async () => {
  await postern.close()
  old.close()
})

const ask = async (command: string, args: Record<string, unknown>) =>
  (await askServer(join(postern.folder, 'state'), command, args))?.result as Record<string, never>

async function aDay(): Promise<void> {
  const made = (await ask('user.enroll', { user: ANN, replace: false })) as unknown as { otpauth: string; recovery_codes: [string, string] } // prettier-ignore
  seed = fromBase32(new URL(made.otpauth).searchParams.get('secret') ?? '')
  for (const [index, code] of made.recovery_codes.entries()) typed.words.set(`recovery code ${index}`, code)
  typed.words.set('the mailbox password', PASSWORD).set('a wrong password', WRONG)
  const scanner = await addApp('scanner', PASSWORD)
  const stale = await addApp('stale', WRONG)
  expect(await logIn(`${PASSWORD}${code()}`)).toBe('+OK')
  expect(await logIn(`${PASSWORD}${made.recovery_codes[0]}`)).toBe('+OK')
  // Sealed anew by those two logins, so that it is stale no more.
  expect(await logIn(stale)).toBe('+OK')
  expect(await logIn(scanner, ABROAD)).toBe('+OK')
  const later = await addApp('later', WRONG)
  expect(await logIn(later)).toBe('-ERR')
  expect(await logIn(`${WRONG}${code(1)}`)).toBe('-ERR')
  expect(await logIn(PASSWORD, '127.88.0.1')).toBe('-ERR')
  await until('password-exposed', () => actions().includes('password-exposed'))
}

async function addApp(name: string, password: string): Promise<string> {
  const base64 = Buffer.from(password).toString('base64')
  const args = { user: ANN, name, networks: 'any', expires: null, password: base64 }
  const { app_password: app } =
    name === 'scanner'
      ? await addInScript(name, password)
      : ((await ask('app-password.add', args)) as unknown as { app_password: string })
  typed.words.set(`app password ${name}`, app).set(`letters of ${name}`, app.replaceAll(' ', ''))
  return app
}

/** The password comes through stdin. */
async function addInScript(name: string, password: string): Promise<{ app_password: string }> {
  const args = ['app-password', 'add', ANN, '--name', name, '--networks', 'any', '--json', '-c', postern.config]
  const out = await new Promise<string>((resolve, reject) => {
    const child = execFile(process.execPath, [LAUNCHER, ...args], (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(error)
    })
    child.stdin?.end(`${password}\n`)
  })
  return JSON.parse(out) as { app_password: string }
}

function code(steps = 0): string {
  const text = codeOf(new Secret(seed), stepAt(Date.now()) + steps).toString()
  typed.codes.add(text)
  return text
}

async function logIn(secret: string, from?: string): Promise<string | undefined> {
  const { socket, ear, raw } = await openClient(postern.port, from === undefined ? {} : { from })
  await ear.line()
  socket.write(`USER ${ANN}\r\n`)
  await ear.line()
  socket.write(`PASS ${secret}\r\n`)
  const [answer] = (await ear.line()).split(' ')
  socket.write('QUIT\r\n')
  await ear.line()
  raw.destroy()
  return answer
}

const actions = () => postern.audit('auth').map(({ event }) => event.action)

function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  )
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.charAt(Number.parseInt(five, 2))).join('') // prettier-ignore
}

/** Every way in which a value may have been written down. Base64 has three, by where in a text it begins. */
function formsOf(value: Buffer): Buffer[] {
  const shifted = [0, 1, 2].map((by) => Buffer.concat([Buffer.alloc(by), value]).toString('base64'))
  const inner = shifted.map((text, by) => text.replace(/=+$/, '').slice(by === 0 ? 0 : by + 1, -1))
  const texts = [...inner, ...inner.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')), value.toString('hex'), base32(value)] // prettier-ignore
  const loose = value.toString('latin1')
  const written = [...texts, value.toString('hex').toUpperCase(), loose.toLowerCase(), loose.toUpperCase()]
  const forms: Buffer[] = written.map((text) => Buffer.from(text, 'latin1'))
  return [value, ...forms]
}

/** Names what of all that was typed is in some bytes. Six digits are a code only where no digit is before or behind them. */
function found(bytes: Buffer, withSeed = true): string[] {
  const values: { what: string; value: Buffer }[] = [...typed.words].map(([what, text]) => ({
    what,
    value: Buffer.from(text),
  }))
  if (withSeed) values.push({ what: 'the seed', value: seed })
  const words = values
    .filter(({ value }) => formsOf(value).some((form) => bytes.includes(form)))
    .map(({ what }) => what)
  const text = bytes.toString('latin1')
  const codes = [...typed.codes].filter((one) => new RegExp(`(?<![0-9a-f])${one}(?![0-9a-f])`, 'i').test(text))
  return [...words, ...codes.map(() => 'a code')]
}

const stateFolder = () => join(postern.folder, 'state')
const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
const search = () =>
  filesOf(stateFolder()).flatMap((path) => found(readFileSync(path)).map((what) => `${what} in ${path}`))

type Opened = { purpose: SealPurpose; from: string; bytes: Buffer }

/** All values of all tables under every purpose and every name that a value may be bound to. */
function openAll(): Opened[] {
  const key = Buffer.from(readFileSync(join(postern.folder, 'keys/master.key'), 'utf8').trim(), 'base64')
  const keys = createKeyring(new Secret(key))
  const db = new DatabaseSync(join(stateFolder(), 'postern.sqlite'), { readOnly: true })
  const tables = db
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
    .all()
    .map(({ name }) => String(name))
  const rows = tables.flatMap((table) =>
    db
      .prepare(`SELECT * FROM "${table}"`)
      .all()
      .map((row) => ({ table, row })),
  )
  const ids = rows.flatMap(({ row }) => ('id' in row ? [String(row['id'])] : []))
  const bounds = [ANN, ...ids.flatMap((id) => [`${ANN} ${id} public`, `${ANN} ${id} box`])]
  const opened: Opened[] = []
  for (const { table, row } of rows) {
    for (const [column, value] of Object.entries(row)) {
      if (!(value instanceof Uint8Array)) continue
      for (const purpose of ['seed', 'app-password', 'password-hash'] as const) {
        for (const bound of bounds) {
          try {
            const bytes = reveal(keys.open(purpose, bound, Buffer.from(value)))
            opened.push({ purpose, from: `${table}.${column}`, bytes })
          } catch {
            // Not this one.
          }
        }
      }
    }
  }
  db.close()
  return opened
}

describe('state/', () => {
  test('holds nothing that was typed or given out, while the server runs and when it has ended', async () => {
    expect(actions()).toEqual(expect.arrayContaining(['login-succeeded', 'app-password-stale', 'password-exposed']))
    expect(typed.words.size).toBe(18)
    expect(search()).toEqual([])
    await postern.stop()
    expect(search()).toEqual([])
  })

  test('opened with the master key holds the seed, and no password, code or app password', () => {
    const opened = openAll()
    expect(opened.map(({ purpose, from }) => `${from} as ${purpose}`).toSorted()).toEqual([
      ...Array.from({ length: 3 }, () => 'app_passwords.public as app-password'),
      ...Array.from({ length: 3 }, () => 'app_passwords.sealed as app-password'),
      'password_hashes.sealed as password-hash',
      'users.seed as seed',
    ])
    for (const { purpose, bytes } of opened) {
      if (purpose === 'seed') expect(bytes).toEqual(seed)
      else expect(found(bytes)).toEqual([])
    }
    expect(opened.flatMap(({ bytes }) => found(bytes, false))).toEqual([])
  })

  test.each([
    ['the mailbox password', () => Buffer.from(`{"x":"${PASSWORD}"}`)],
    ['the mailbox password', () => Buffer.from(`in base64: ${Buffer.from(`ab${PASSWORD}cd`).toString('base64')}`)],
    ['the seed', () => Buffer.from(base32(seed))],
    ['letters of scanner', () => Buffer.from((typed.words.get('letters of scanner') ?? '').toUpperCase())],
    ['a code', () => Buffer.from(`code ${[...typed.codes][0] ?? ''}.`)],
  ])('%s would be found', (what, planted) => {
    const path = join(stateFolder(), 'audit/planted')
    writeFileSync(path, planted())
    expect(search()).toContain(`${what} in ${path}`)
    rmSync(path)
  })
})
