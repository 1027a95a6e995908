import { describe, expect, test } from 'vitest'
import type { AccessEvent } from '../../../src/audit/events.ts'
import { createTally } from '../../../src/audit/tally.ts'
import { TALLY_KEYS_MAX, TALLY_LINES, TALLY_RULES_MAX, TALLY_WINDOW_MS } from '../../../src/base/audit-limits.ts'

function denied(ip: string, rule = 'networks.deny', count?: number): AccessEvent {
  const connection = {
    session: 'a'.repeat(24),
    listener: 'outside',
    ip,
    port: 4711,
    tls: { version: 'TLSv1.3', cipher: 'x', ja4: 'y', resumed: false },
  }
  const by = { file: 'lists/denied.txt', line: 7, rule }
  return { action: 'connection-denied', connection, by, ...(count === undefined ? {} : { count }) }
}

const total = (events: AccessEvent[]) => events.reduce((sum, event) => sum + (event.count ?? 1), 0)

describe('a flood of denials', () => {
  test('the first ten of a rule and network are written as they are, the eleventh is not', () => {
    const tally = createTally()
    for (let n = 0; n < TALLY_LINES; n++) {
      expect(tally.take(denied(`192.0.2.${n}`), 0)).toEqual([denied(`192.0.2.${n}`)])
    }
    expect(tally.take(denied('192.0.2.99'), 1)).toEqual([])
  })

  test('the rest is one line with a count when the minute is over, and names the network and no single session', () => {
    const tally = createTally()
    for (let n = 0; n < 500; n++) tally.take(denied(`192.0.2.${n % 250}`), n)
    expect(tally.due(TALLY_WINDOW_MS - 1)).toEqual([])
    expect(tally.due(TALLY_WINDOW_MS)).toEqual([
      {
        action: 'connection-denied',
        connection: { listener: 'outside', ip: '192.0.2.249', port: 0 },
        by: { file: 'lists/denied.txt', line: 7, rule: 'networks.deny' },
        count: 490,
        network: '192.0.2.0/24',
      },
    ])
    expect(tally.due(3 * TALLY_WINDOW_MS)).toEqual([])
  })

  test('the sum of a minute comes before the first line of the next one', () => {
    const tally = createTally()
    for (let n = 0; n < 11; n++) tally.take(denied('192.0.2.1'), 0)
    const written = tally.take(denied('192.0.2.2'), TALLY_WINDOW_MS)
    expect(written.map((event) => [event.connection.ip, event.count])).toEqual([
      ['192.0.2.1', 1],
      ['192.0.2.2', undefined],
    ])
  })

  test('IPv6 neighbours of one site count as one network', () => {
    const tally = createTally()
    for (let n = 0; n < 30; n++) tally.take(denied(`2001:db8:0:a${n % 10}::${n}`), 0)
    expect(tally.flush()).toMatchObject([{ count: 20, network: '2001:db8::/56' }])
  })

  test('other rules, other networks and other actions have lines of their own', () => {
    const tally = createTally()
    for (let n = 0; n < 20; n++) tally.take(denied('192.0.2.1'), 0)
    const { connection } = denied('192.0.2.1')
    const others: AccessEvent[] = [
      denied('192.0.2.1', 'rates.per_address'),
      denied('198.51.100.1'),
      { action: 'tls-failed', connection, reason: 'networks.deny' },
      { action: 'protocol-violation', connection, reason: 'networks.deny' },
      { action: 'connection-closed', connection, reason: 'login-timeout' },
    ]
    for (const other of others) expect(tally.take(other, 1)).toEqual([other])
  })

  test('events that are sums already count with their number', () => {
    const tally = createTally()
    for (let n = 0; n < TALLY_LINES; n++) tally.take(denied('192.0.2.1'), 0)
    tally.take(denied('192.0.2.1', 'networks.deny', 41), 0)
    tally.take(denied('192.0.2.1'), 0)
    expect(total(tally.flush())).toBe(42)
  })

  test('from more networks than the table holds nothing is lost, and the rule keeps its name', () => {
    const tally = createTally()
    const written: AccessEvent[] = []
    const sent = TALLY_KEYS_MAX * 3
    for (let n = 0; n < sent; n++)
      written.push(...tally.take(denied(`10.${n >> 8}.${n & 255}.1`, 'geofence.country'), 0))
    const sums = tally.flush()
    expect(sums).toHaveLength(1)
    expect(sums[0]).toMatchObject({ network: '*', by: { rule: 'geofence.country' } })
    expect(total([...written, ...sums])).toBe(sent)
  })

  test('from more rules than the table holds nothing is lost, and no rule is named in place of another', () => {
    const tally = createTally()
    const written: AccessEvent[] = []
    const sent = TALLY_KEYS_MAX + TALLY_RULES_MAX + 100
    for (let n = 0; n < sent; n++) written.push(...tally.take(denied('192.0.2.1', `rule-${n}`), 0))
    const closed: AccessEvent = { ...denied('192.0.2.1'), action: 'connection-closed', reason: 'evicted' }
    for (let n = 0; n < 20; n++) written.push(...tally.take(closed, 0))
    const sums = tally.flush()
    expect(sums).toMatchObject([
      { network: '*', by: { file: '', rule: '*' } },
      { action: 'connection-closed', reason: 'evicted' },
    ])
    expect(total([...written, ...sums])).toBe(sent + 20)
  })
})
