/**
 * Runs in a network of its own, whose loopback also has public addresses: feeds match no private one, so 127.0.0.0/8 cannot
 * show a denial. Prints what clients of those addresses got, as JSON.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectSecure } from 'node:tls'
import { oldServer } from '../../../src/demo/old-server.ts'
import { startFeedServer } from '../../support/feed-server.ts'
import { startPostern, until, type Running } from '../../support/running.ts'

const DROP = '{"cidr":"192.0.2.0/25","sblid":"SBL1","rir":"x"}\n{"type":"metadata","size":1,"records":1}\n'

/** The first words that a client gets, or '' when it is turned away without any. */
function greeted(port: number, localAddress: string): Promise<string> {
  return new Promise((resolve) => {
    const bare = connectPlain({ host: '203.0.113.1', port, localAddress }).on('error', () => undefined)
    const socket = connectSecure({ socket: bare, rejectUnauthorized: false }).on('error', () => undefined)
    let said = ''
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString()
      socket.end()
    })
    socket.on('close', () => {
      resolve(said)
    })
  })
}

const folder = mkdtempSync(join(tmpdir(), 'postern-feeds-'))
const behind = await oldServer('ann', 'x', [])
const feeds = await startFeedServer((_, response) => response.end(DROP))
writeFileSync(join(folder, 'ca.pem'), feeds.ca)

async function served<T>(reputation: Record<string, unknown>, look: (postern: Running) => Promise<T>): Promise<T> {
  const postern = await startPostern({
    backendPort: behind.port,
    postern: { listeners: [{ name: 'outside', address: '0.0.0.0:0' }] },
    reputation,
    environment: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
  })
  try {
    return await look(postern)
  } finally {
    await postern.close()
  }
}

const denials = async (postern: Running, action: string) => {
  await until(action, () => postern.audit('access').some((line) => line.event.action === action))
  return postern.audit('access').filter((line) => line.event.action === action)
}

const url = `${feeds.url}/drop_v4.json`
const fed = await served({ feeds: [{ name: 'drop-v4', url }] }, async (postern) => ({
  listed: await greeted(postern.port, '192.0.2.7'),
  other: await greeted(postern.port, '192.0.2.200'),
  audit: await denials(postern, 'connection-denied'),
}))
const watched = await served({ feeds: [{ name: 'drop-v4', url, mode: 'monitor' }] }, async (postern) => ({
  listed: await greeted(postern.port, '192.0.2.7'),
  audit: await denials(postern, 'connection-would-deny'),
}))
const gone = { name: 'gone', url: 'https://localhost:1/' }
const hollow = await served({ feeds: [gone] }, async (postern) => ({
  other: await greeted(postern.port, '192.0.2.200'),
  audit: await denials(postern, 'connection-denied'),
}))
const skipped = await served({ feeds: [{ ...gone, on_error: 'allow' }] }, (postern) =>
  greeted(postern.port, '192.0.2.200'),
)

await feeds.close()
behind.close()
rmSync(folder, { recursive: true, force: true })
process.stdout.write(JSON.stringify({ fed, watched, hollow, skipped }))
process.exit(0)
