import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openClient, scriptedServer, type ScriptedServer } from '../dialog/peers.ts'
import { startPostern, type Running } from '../support/running.ts'

/** A disk of its own for the audit, so small that it is filled at once. It needs root. */
let disk: string
/** Any group but our own. */
const SHIPPERS = 65_533
let server: ScriptedServer
let postern: Running

beforeAll(async () => {
  disk = mkdtempSync(join(tmpdir(), 'postern-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
  mkdirSync(join(disk, 'audit'))
  chownSync(join(disk, 'audit'), 0, SHIPPERS)
  chmodSync(join(disk, 'audit'), 0o2750)
  server = await scriptedServer({})
  postern = await startPostern({ backendPort: server.port, postern: { audit: { path: join(disk, 'audit') } } })
  await postern.enroll('ann@example.com')
})
afterAll(async () => {
  await postern.close()
  server.close()
  execFileSync('umount', [disk])
  rmSync(disk, { recursive: true })
})

/** Types a login; gives the client and the first answer to its password. */
async function logIn(typed: string) {
  const client = await openClient(postern.port)
  expect(await client.ear.line()).toBe('+OK POP3 ready')
  client.socket.write(`USER ann@example.com\r\nPASS ${typed}\r\n`)
  expect(await client.ear.line()).toBe('+OK Send PASS.')
  expect(await (await server.ear()).line()).toBe('USER ann@example.com')
  await server.write(Buffer.from('+OK\r\n'))
  expect(await (await server.ear()).line()).toBe('PASS secret')
  await server.write(Buffer.from('+OK in\r\n'))
  return { client, answer: await client.ear.line() }
}

/** Leaves not one octet, also within the last block of the files. */
function fill(): void {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize))
}

const whole = async () => (await postern.cli('audit', 'verify')).stdout

test('a full disk under the audit: logins hear [SYS/TEMP], sessions go on, and it recovers by itself with the chain whole', async () => {
  const typed = `secret${postern.code('ann@example.com')}`
  const first = await logIn(typed)
  expect(first.answer).toBe('+OK in')
  const standing = await server.ear()
  fill()
  server.next()
  // The last block of a file may still have room for some lines: the guarantee is for each of them.
  for (let n = 0; n < 20; n++) {
    const { answer, client } = await logIn(typed)
    client.socket.destroy()
    server.next()
    if (!answer.startsWith('+OK')) {
      expect(answer).toMatch(/^-ERR \[SYS\/TEMP\]/)
      break
    }
    expect(n).toBeLessThan(19)
  }
  expect((await postern.cli('status')).stdout).toContain('audit: ENOSPC')

  first.client.socket.write('NOOP\r\n')
  expect(await standing.line()).toBe('NOOP')

  rmSync(join(disk, 'filler'))
  for (let n = 0; (await postern.cli('status')).stdout.includes('DOWN'); n++) {
    expect(n).toBeLessThan(60)
    await delay(500)
  }
  const { answer } = await logIn(typed)
  expect(answer).toBe('+OK in')
  expect(await whole()).toMatch(/^auth: whole/m)
})

test('the files take the group of a folder that says so (setgid), and that group can read them', () => {
  const { gid, mode } = statSync(join(disk, 'audit/auth.jsonl'))
  expect([gid, mode & 0o777]).toEqual([SHIPPERS, 0o640])
})
