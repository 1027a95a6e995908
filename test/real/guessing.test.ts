/** A real tool guesses passwords: ncrack, of users who have codes, from the very address of one of them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lateServer } from '../load/late-server.ts'
import { logIn } from '../load/clients.ts'
import { startPostern, type Running } from '../support/running.ts'
import { makeHouse, type House } from './support/house.ts'

const PASSWORD = 'secret'
const USERS = ['ann@example.com', 'bob@example.com', 'nobody@example.com']
/** So long ncrack may guess. */
const GUESSING_MS = 11_000

let house: House
let postern: Running
let heard: string[]
let behind: { port: number; close(): void }

beforeAll(async () => {
  heard = []
  behind = await lateServer(PASSWORD, () => 0, (user, password) => heard.push(`${user} ${password}`)) // prettier-ignore
  house = await makeHouse('guessing', ['guesser'])
  // The password itself is in the list, alone and with codes behind it: it is the second factor that is tried here.
  const words = Array.from({ length: 400 }, (_, n) => `${PASSWORD}${String(n).padStart(6, '0')}`)
  await house.put('/words', [PASSWORD, 'password', '123456', ...words].join('\n'))
  await house.put('/users', USERS.join('\n'))
  postern = await startPostern({ backendPort: behind.port, login: { failures: { reply_after: '1s' } } })
  for (const user of USERS.slice(0, 2)) await postern.enroll(user)
})
afterAll(async () => {
  await postern.close()
  behind.close()
  await house.demolish()
})

test('no guess reaches the old server, and the user logs in from her trusted device all the while', async () => {
  const [ann = ''] = USERS
  const at = { port: postern.port, from: '127.0.0.1' }
  const stored = PASSWORD + postern.code(ann)
  await logIn(at, ann, stored)
  const started = performance.now()
  const ncrack = house.start(['/usr/bin/ncrack', '-v', '-U', '/users', '-P', '/words', '-T5', '-g', 'cl=40,CL=80,at=3,to=1m', `pop3s://127.0.0.1:${postern.port}`]) // prettier-ignore
  let logins = 1
  try {
    while (performance.now() - started < GUESSING_MS) {
      // Throws when she is refused.
      await logIn(at, ann, stored)
      logins += 1
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  } finally {
    await ncrack.stop()
  }
  const failed = postern.audit('auth').filter(({ event }) => event.action === 'login-failed')
  const reasons = Object.groupBy(failed, ({ event }) => event.reason ?? '')
  const counts = Object.entries(reasons).map(([reason, all]) => `${reason} ${all?.length ?? 0}`)
  const perMinute = Math.round((failed.length / (performance.now() - started)) * 60_000)
  process.stdout.write(`ncrack: ${failed.length} guesses answered, ${perMinute} a minute (${counts.join(', ')}); logins of the user: ${logins}; reached the old server: ${heard.length - logins}\n`) // prettier-ignore
  expect(heard).toEqual(Array(logins).fill(`${ann} ${PASSWORD}`))
  expect(logins).toBeGreaterThan(20)
  expect(failed.length, ncrack.said()).toBeGreaterThan(50)
  const judged = failed.filter(({ event }) => /^(code|unknown)/.test(event.reason ?? ''))
  // The address is allowed twenty, and one for ann, who was proven there; ann's own ten in that network go on beside it.
  expect(judged.length).toBeLessThanOrEqual(20 + 1 + 10)
  expect(reasons['locked']?.length).toBeGreaterThan(20)
  expect(ncrack.said()).not.toMatch(/Discovered credentials/)
  const { stdout } = await postern.cli('lock', 'list')
  expect(stdout).toMatch(/everybody from 127\.0\.0\.1$/m)
})
