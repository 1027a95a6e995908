import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CONTROL_REQUEST_MAX } from '../../../src/base/limits.ts'
import { CONTROL_HELD_MAX } from '../../../src/base/login-limits.ts'
import { askServer, openControl } from '../../../src/keeper/control.ts'

let state: string
let control: { close(): Promise<void> }
const sockets: Socket[] = []

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'postern-control-'))
  control = await openControl(
    state,
    (command, args) => Promise.resolve({ command, size: JSON.stringify(args).length }),
    () => undefined,
  )
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await control.close()
  rmSync(state, { recursive: true })
})

/** Says so many octets and no line end; gives what is answered. */
async function hold(octets: number): Promise<() => string> {
  const socket = connect(join(state, 'control.sock'))
  sockets.push(socket)
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.write(Buffer.alloc(octets, 'x'), resolve))
  return () => heard
}

test('takes the enrolment of many in one request', async () => {
  const names = Array.from({ length: 20_000 }, (_, i) => `user${i}@example.com`.padEnd(400, 'x'))
  const answered = await askServer(state, 'many', { names })
  expect(answered?.result).toMatchObject({ command: 'many' })
})

test('hears no request without an end for ever, nor several that together hold too much', async () => {
  const one = await hold(CONTROL_REQUEST_MAX + 1)
  await expect.poll(one).toMatch(/too long a message/)
  const some = await Promise.all([0, 1].map(() => hold(CONTROL_REQUEST_MAX - 1)))
  expect(some.map((heard) => heard())).toEqual(['', ''])
  const more = await hold(CONTROL_HELD_MAX - 2 * CONTROL_REQUEST_MAX + 1_000)
  await expect.poll(more).toMatch(/too long a message/)
  for (const socket of sockets) socket.destroy()
  await expect.poll(async () => (await askServer(state, 'again', {}))?.result).toMatchObject({ command: 'again' })
})
