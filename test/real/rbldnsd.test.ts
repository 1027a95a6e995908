/** A real DNS list: rbldnsd, as zones run it, with the entries that RFC 5782 asks every zone for. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { parseAddress } from '../../src/base/ip.ts'
import { askResolver } from '../../src/keeper/dns-client.ts'
import { createDnsbl } from '../../src/keeper/dnsbl.ts'
import { run, until, writePolicies } from '../support/running.ts'
import { zone } from '../support/zone.ts'
import { makeHouse, type House, type Running } from './support/house.ts'

const IPV4 = `:127.0.0.2:Listed, see https://bl.example/$
127.0.0.2
!127.0.0.1
203.0.113.7
203.0.113.64/26
203.0.113.10 :127.0.0.10:A home line
`
const IPV6 = `:127.0.0.9:Listed
::ffff:7f00:2/128
2001:db8:bad::/48
`
/** What a zone says to who asks too much; and one that lists the whole world, as some did when they died. */
const REFUSING = ':127.255.255.254:Ask your own resolver\n0.0.0.0/1\n128.0.0.0/1\n'

let folder: string
let house: House
let daemon: Running
let port: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-rbldnsd-'))
  house = await makeHouse('rbldnsd', ['rbldns'])
  await house.put('/zones/ipv4', IPV4)
  await house.put('/zones/ipv6', IPV6)
  await house.put('/zones/refusing', REFUSING)
  port = await freeUdpPort()
  const zones = ['bl.example:ip4set:ipv4', 'bl.example:ip6trie:ipv6', 'dead.example:ip4set:refusing']
  const where = ['-b', `127.0.0.1/${String(port)}`, '-w', '/zones', '-u', 'rbldns']
  daemon = house.start(['/usr/sbin/rbldnsd', '-n', ...where, ...zones])
  await until('rbldnsd answers', () => daemon.said().includes('zones reloaded') || daemon.said().includes('started'))
})
afterAll(async () => {
  await daemon.stop()
  await house.demolish()
  rmSync(folder, { recursive: true, force: true })
})

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const free = socket.address().port
  socket.close()
  return free
}

async function look(ip: string, name = 'bl.example'): Promise<string> {
  const address = parseAddress(ip)
  if (address === null) throw new Error(ip)
  const resolver = { host: '127.0.0.1', port }
  const listing = await createDnsbl(askResolver, systemClock).look(
    zone({ zone: name, resolver, timeout: 5_000 }),
    address,
  )
  if (listing.say === 'listed') return listing.answers.map(({ text }) => text).join(' ')
  return listing.say === 'error' ? listing.reason : listing.say
}

describe('rbldnsd', () => {
  test('lists what is in its zone, of both families, and nothing else', async () => {
    expect(
      await Promise.all(['203.0.113.7', '203.0.113.100', '203.0.113.10', '203.0.113.8'].map((ip) => look(ip))),
    ).toEqual(['127.0.0.2', '127.0.0.2', '127.0.0.10', 'clear'])
    expect(await Promise.all(['2001:db8:bad::1', '2001:db8:600d::1'].map((ip) => look(ip)))).toEqual([
      '127.0.0.9',
      'clear',
    ])
  })

  test('answers with an error where it wants to say that it lists nothing', async () => {
    expect(await look('203.0.113.8', 'dead.example')).toBe('the zone answers 127.255.255.254, which lists nothing')
    expect(await look('203.0.113.8', 'other.example')).toBe('the resolver answers REFUSED')
  })

  test('passes the self-test of `check`; a dead zone does not; `explain` says what it answers', async () => {
    const resolver = `127.0.0.1:${String(port)}`
    const timed = { resolver, timeout: '5s' }
    const dnsbl = [{ zone: 'bl.example', ...timed }, { zone: 'dead.example', ...timed, mode: 'monitor', on_error: 'deny' }] // prettier-ignore
    await writePolicies(folder, {
      backendPort: 110,
      postern: { checks: ['networks', 'reputation'] },
      files: { 'reputation.yaml': JSON.stringify({ dnsbl }, null, 1) },
    })
    const config = join(folder, 'policies/postern.yaml')
    const checked = await run(['check', '-c', config])
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('`dnsbl[1].zone: "dead.example"` gives no answer')]) // prettier-ignore
    expect(checked.stdout).not.toContain('bl.example"` ')
    const { stdout } = await run(['explain', '203.0.113.7', '-c', config])
    expect(stdout).toMatch(
      /^ {2}dnsbl\.bl\.example +deny +dnsbl\.bl\.example reputation\.yaml:3 {2}answers 127\.0\.0\.2$/m,
    )
    expect(stdout).toMatch(
      /^ {2}dnsbl\.dead\.example +would deny dnsbl\.dead\.example reputation\.yaml:\d+ {2}the zone answers/m,
    )
    expect(stdout).toMatch(/^the gate: denied by dnsbl\.bl\.example reputation\.yaml:3$/m)
    expect((await run(['explain', '203.0.113.8', '-c', config])).stdout).toMatch(/^the gate: passes$/m)
  })
})
