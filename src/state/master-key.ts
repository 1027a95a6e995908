/** The master key in its file, which is made on first start. (One from the environment is read with the policies.) */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { MASTER_KEY_FILE_MAX } from '../base/limits.ts'
import { Secret } from '../base/secret.ts'
import { StateFault } from './fault.ts'

const MASTER_KEY_LENGTH = 32
const FORM = /^[A-Za-z0-9+/]{43}=$/
const HOW = `it must be ${MASTER_KEY_LENGTH} random bytes in base64, as \`openssl rand -base64 ${MASTER_KEY_LENGTH}\` prints them`

/** `made`: the file was not there and has been made. `warnings` are for the log and `check`. */
export type MasterKey = { key: Secret; made: boolean; warnings: string[] }

/**
 * Needs the path of the key file, and whether it may be made when it is missing: not where a store already exists, as a
 * new key opens nothing in it. Throws {@link StateFault} for a missing, unreadable or malformed file.
 */
export function masterKeyFromFile(path: string, mayMake: boolean): MasterKey {
  const found = findMasterKey(path, mayMake)
  if (found !== null) return { ...found, made: false }
  makeKeyFile(path)
  const made = readKeyFile(path)
  if (made === null) throw new StateFault('key', `the master key file ${path} vanished while it was made: start again`)
  return { ...made, made: true }
}

/** The same, but makes nothing: null stands for a file that would be made. */
export function findMasterKey(path: string, mayMake: boolean): Omit<MasterKey, 'made'> | null {
  const found = readKeyFile(path)
  if (found !== null || mayMake) return found
  throw new StateFault(
    'key',
    `the master key file ${path} is missing, but a store made with it exists: put the key file back`,
  )
}

function decode(text: string, where: string): Secret {
  const trimmed = text.trim()
  const bytes = FORM.test(trimmed) ? Buffer.from(trimmed, 'base64') : null
  if (bytes?.length !== MASTER_KEY_LENGTH) throw new StateFault('key', `${where} holds no master key: ${HOW}`)
  return new Secret(bytes)
}

function readKeyFile(path: string): { key: Secret; warnings: string[] } | null {
  const file = openOrNull(path)
  if (file === null) return null
  try {
    const facts = fstatSync(file)
    if (!facts.isFile() || facts.size > MASTER_KEY_FILE_MAX)
      throw new StateFault('key', `${path} holds no master key: ${HOW}`)
    const bytes = Buffer.alloc(MASTER_KEY_FILE_MAX)
    const key = decode(bytes.toString('latin1', 0, readSync(file, bytes)), path)
    bytes.fill(0)
    const open = (facts.mode & 0o077) !== 0
    return { key, warnings: open ? [`${path} can be read by others than its owner: chmod 600 ${path}`] : [] }
  } finally {
    closeSync(file)
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new StateFault('key', `the master key file ${path} cannot be read (${code ?? 'unknown error'})`)
  }
}

/**
 * The file appears whole or not at all: written beside, synced, then linked to its name, which fails where one exists.
 * A crash between would otherwise leave an empty key file, and two starts at once two keys.
 */
function makeKeyFile(path: string): void {
  const beside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const file = openSync(beside, 'wx', 0o600)
    try {
      writeSync(file, `${randomBytes(MASTER_KEY_LENGTH).toString('base64')}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkIfFree(beside, path)
    rmSync(beside)
    syncFolder(dirname(path))
  } catch (error) {
    rmSync(beside, { force: true })
    throw new StateFault(
      'key',
      `the master key file ${path} cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    )
  }
}

function linkIfFree(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
