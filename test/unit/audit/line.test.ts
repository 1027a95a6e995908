import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { chain, GENESIS, linkOf, type Head } from '../../../src/audit/chain.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { CONNECTION, everyEvent, LOGIN } from '../../support/audit-events.ts'

const AT = Date.UTC(2027, 2, 14, 9, 26, 53, 589)

const parsed = (body: string) => JSON.parse(body) as Record<string, unknown>

describe('an audit line', () => {
  test('has the fields of the Elastic Common Schema, nested', () => {
    expect(parsed(bodyOf(LOGIN, AT))).toEqual({
      '@timestamp': '2027-03-14T09:26:53.589Z',
      ecs: { version: '8.17.0' },
      event: {
        kind: 'event',
        category: ['authentication'],
        type: ['start'],
        action: 'login-succeeded',
        outcome: 'success',
        dataset: 'postern.auth',
      },
      source: { ip: '192.0.2.7', port: 50123 },
      session: { id: '0123456789abcdef01234567' },
      tls: {
        version: '1.3',
        version_protocol: 'tls',
        cipher: 'TLS_AES_256_GCM_SHA384',
        resumed: false,
        client: { ja4: 't13d1516h2_8daaf6152771_b186095e22b6', server_name: 'mail.example.com' },
      },
      user: { name: 'ann@example.com' },
      postern: {
        listener: 'outside',
        connected: '2026-11-21T00:00:00.000Z',
        factor: 'totp',
        backend: 'old-mail',
      },
    })
  })

  test('of a denial names the rule, its file and line, and how often', () => {
    const by = { file: 'lists/denied.txt', line: 12, rule: 'networks.deny' }
    const line = bodyOf(
      {
        stream: 'access',
        action: 'connection-denied',
        connection: CONNECTION,
        by,
        count: 490,
        network: '192.0.2.0/24',
      },
      AT,
    )
    expect(parsed(line)).toMatchObject({
      event: { action: 'connection-denied', type: ['connection', 'denied'], outcome: 'success', count: 490 },
      rule: { name: 'networks.deny' },
      postern: { rule: { file: 'lists/denied.txt', line: 12 }, network: '192.0.2.0/24' },
    })
  })

  test('of a closed session counts octets by their sender, messages, and nanoseconds', () => {
    const counts = { bytesToClient: 1000, bytesFromClient: 50, retrieved: 2, deleted: 1, marked: 1, durationMs: 1500.4 }
    const line = bodyOf(
      {
        stream: 'session',
        action: 'session-closed',
        connection: CONNECTION,
        user: 'ann',
        backend: 'old-mail',
        counts,
        reason: 'quit',
      },
      AT,
    )
    expect(parsed(line)).toMatchObject({
      event: { reason: 'quit', duration: 1_500_400_000 },
      source: { bytes: 50 },
      destination: { bytes: 1000 },
      postern: { messages: { retrieved: 2, deleted: 1, marked: 1 } },
    })
  })

  test('counts beyond what JSON carries stay numbers', () => {
    const counts = {
      bytesToClient: 1e300,
      bytesFromClient: -5,
      retrieved: 2.6,
      deleted: 0,
      marked: 0,
      durationMs: 1e308,
    }
    const event = everyEvent('x').find((one) => one.action === 'session-closed')
    const line = bodyOf({ ...event, counts } as Parameters<typeof bodyOf>[0], AT)
    expect(parsed(line)).toMatchObject({
      event: { duration: Number.MAX_SAFE_INTEGER },
      source: { bytes: 0 },
      destination: { bytes: Number.MAX_SAFE_INTEGER },
      postern: { messages: { retrieved: 3 } },
    })
  })

  test('a long list of faults is cut and says how many are left', () => {
    const faults = Array.from({ length: 100 }, (_, n) => `fault ${n}`)
    const { postern } = parsed(bodyOf({ stream: 'admin', action: 'policy-rejected', faults }, AT)) as {
      postern: { faults: string[]; more: number }
    }
    expect([postern.faults.length, postern.more]).toEqual([64, 36])
  })

  test('a user name is cut at 254, other texts at 255', () => {
    for (const event of everyEvent('n'.repeat(10_000))) {
      expect(bodyOf(event, AT)).not.toContain('n'.repeat(255))
      if ('user' in event) expect(parsed(bodyOf(event, AT))).toMatchObject({ user: { name: `${'n'.repeat(253)}…` } })
    }
  })
})

describe('the chain', () => {
  test('is the last key, its hash the last member, and starts from 64 zeros', () => {
    const { line, head } = chain(bodyOf(LOGIN, AT), GENESIS)
    expect(line.endsWith(`,"chain":{"seq":1,"prev":"${'0'.repeat(64)}","hash":"${head.prev}"}}\n`)).toBe(true)
    expect(Object.keys(parsed(line)).at(-1)).toBe('chain')
  })

  test('can be checked with the few lines that the page describes and nothing of ours', () => {
    let head: Head = GENESIS
    let stream = ''
    for (const event of everyEvent('Jürgen "<\u001b[31m\r\n')) {
      const next = chain(bodyOf(event, AT), head)
      stream += next.line
      head = next.head
    }
    let prev = '0'.repeat(64)
    let seq = 0
    for (const line of stream.split('\n').slice(0, -1)) {
      const [ending, hash] = /,"hash":"([0-9a-f]{64})"}}$/.exec(line) ?? ['', '']
      const text = line.slice(0, line.length - ending.length)
      expect(createHash('sha256').update(text, 'utf8').digest('hex')).toBe(hash)
      expect(JSON.parse(line)).toMatchObject({ chain: { seq: ++seq, prev } })
      prev = hash ?? ''
    }
    expect(seq).toBe(everyEvent('').length)
  })

  test('a line whose broken UTF-8 would decode to the same text is not the same line', () => {
    const { line } = chain(bodyOf({ ...LOGIN, user: 'a\ufffdb' } as typeof LOGIN, AT), GENESIS)
    const bytes = Buffer.from(line.trimEnd())
    expect(linkOf(bytes)?.seq).toBe(1)
    const at = bytes.indexOf(Buffer.from('\ufffd'))
    const forged = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)])
    expect(forged.toString()).toBe(bytes.toString())
    expect(linkOf(forged)).toBe(null)
  })
})

test('a code of another time says in its line how far off its clock is', () => {
  const connection = { listener: 'outside', ip: '192.0.2.1', port: 4711 }
  const said = { stream: 'auth', action: 'login-failed', connection, user: 'ann' } as const
  const line = (event: AuditEvent) => JSON.parse(bodyOf(event, 0)) as { postern: unknown }
  expect(line({ ...said, reason: 'code-clock-skew', skewSeconds: -210 }).postern).toMatchObject({ skew_seconds: -210 })
  expect(line({ ...said, reason: 'code-wrong' }).postern).not.toHaveProperty('skew_seconds')
})
