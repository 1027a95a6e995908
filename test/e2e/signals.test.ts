import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openClient, scriptedServer } from '../dialog/peers.ts'
import { LAUNCHER, startPostern, until, writePolicies } from '../support/running.ts'

test('Ctrl-C and a service manager reach the fronts too, and no session is cut by it', async () => {
  const old = await scriptedServer({})
  const postern = await startPostern({ backendPort: old.port, postern: { limits: { drain_time: '20s' } } })
  try {
    await postern.enroll('ann@example.com')
    const client = await openClient(postern.port)
    await client.ear.line()
    client.socket.write(`USER ann@example.com\r\nPASS secret${postern.code('ann@example.com')}\r\n`)
    await client.ear.line()
    const ear = await old.ear()
    await ear.line()
    await old.write(Buffer.from('+OK\r\n'))
    await ear.line()
    await old.write(Buffer.from('+OK in\r\n'))
    expect(await client.ear.line()).toBe('+OK in')

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      for (const front of postern.fronts()) process.kill(front, signal)
    const stopped = postern.stop('SIGTERM')
    await until('the stop is under way', () => postern.log().includes('stopping'))
    client.socket.write('QUIT\r\n')
    expect(await ear.line()).toBe('QUIT')
    await old.write(Buffer.from('+OK bye\r\n'))
    expect(await client.ear.line()).toBe('+OK bye')
    client.socket.end()
    old.next()
    expect(await stopped).toBe(0)
    expect(postern.audit('session').at(-1)?.event.reason).not.toBe('front-lost')
  } finally {
    await postern.close()
    old.close()
  }
})

test('a SIGHUP that comes while the server still starts does not end it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-signal-'))
  await writePolicies(folder, { backendPort: 1 })
  const child: ChildProcess = spawn(
    process.execPath,
    [LAUNCHER, 'serve', '-c', join(folder, 'policies/postern.yaml')],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  try {
    await until('the start is under way', () => existsSync(join(folder, 'state/instance.pid')))
    child.kill('SIGHUP')
    const [first] = (await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit')])) as unknown[]
    expect(String(first)).toMatch(/^listening /)
  } finally {
    child.kill('SIGTERM')
    await Promise.race([once(child, 'exit'), delay(5_000)])
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
