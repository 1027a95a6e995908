import { mkdtempSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openClient } from '../dialog/peers.ts'
import { startPostern, until, writePolicies } from '../support/running.ts'

const PLACES = 20

test('those who are turned away with words do not take the places of those who are not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'))
  const wanted = {
    backendPort: 9,
    postern: {
      on_deny: 'say',
      limits: { connections: PLACES, drain_time: '2s' },
      processes: { fronts: 1, user: 'nobody' },
    },
    networks: { deny: ['lists/denied.txt'] },
  }
  await writePolicies(folder, wanted)
  writeFileSync(join(folder, 'policies/lists/denied.txt'), '127.0.0.9\n')
  const postern = await startPostern({ ...wanted, folder })
  const strangers: Socket[] = []
  try {
    for (let n = 0; n < PLACES; n++) {
      const stranger = connect({ port: postern.port, host: '127.0.0.1', localAddress: '127.0.0.9' })
      stranger.on('error', () => undefined)
      strangers.push(stranger)
    }
    await until('the strangers are noticed', () => postern.audit('access').length >= 10)
    const client = await openClient(postern.port)
    expect(await client.ear.line()).toBe('+OK POP3 ready')
    client.raw.destroy()
  } finally {
    for (const stranger of strangers) stranger.destroy()
    await postern.close()
  }
})
