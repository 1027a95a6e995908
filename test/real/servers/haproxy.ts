import { connect } from 'node:net'
import { once } from 'node:events'
import type { House, Running } from '../support/house.ts'
import { until } from '../support/until.ts'

/** Ports of the house's address: to Postern with a header of version 1, of version 2 with a checksum, and with none. */
export const BALANCED = { v1: 12_001, v2: 12_002, none: 12_003 }

const CONFIG = (address: string, to: number): string => `
global
  log stdout format raw local0
defaults
  log global
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen v1
  bind ${address}:${String(BALANCED.v1)}
  server postern 127.0.0.1:${String(to)} send-proxy check check-send-proxy inter 100ms
listen v2
  bind ${address}:${String(BALANCED.v2)}
  server postern 127.0.0.1:${String(to)} send-proxy-v2 proxy-v2-options crc32c,unique-id check check-send-proxy check-ssl verify none inter 100ms
listen none
  bind ${address}:${String(BALANCED.none)}
  server postern 127.0.0.1:${String(to)} check inter 100ms
`

/** Starts HAProxy in front of a port of 127.0.0.1, which it asks ten times a second how it is, in three ways. */
export async function haproxy(house: House, to: number): Promise<Running> {
  await house.put('/etc/haproxy/haproxy.cfg', CONFIG(house.address, to))
  const running = house.start(['/usr/sbin/haproxy', '-db', '-f', '/etc/haproxy/haproxy.cfg'])
  let ended = false
  void running.ended.then(() => (ended = true))
  await until('HAProxy listens', 20_000, async () => ended || (await listens(house.address)))
  if (ended) throw new Error(`HAProxy does not start:\n${running.said()}`)
  return running
}

async function listens(host: string): Promise<boolean> {
  const socket = connect(BALANCED.none, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
