import { beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { METRIC_VALUES_MAX } from '../../../src/base/limits.ts'
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.ts'
import { CONNECTION, everyEvent, LOGIN } from '../../support/audit-events.ts'

let metrics: Metrics
let users: Record<string, number>

beforeEach(() => {
  users = { enrolled: 12, pending: 3 }
  metrics = createMetrics({
    fronts: () => 2,
    sessionsActive: () => 7,
    auditLagSeconds: () => 0.25,
    users: () => users,
    feedAges: () => ({ 'drop-v4': 60, country_database: 86_400 }),
    forwards: () => [{ to: 'syslog+tls://log.example.com:6514', fault: 'refused', lag: 61, again: 2, lost: 3 }],
    originConcentration: () => 0.75,
    locksActive: () => 4,
  })
})

async function lines(): Promise<string[]> {
  return (await metrics.scrape()).text.split('\n')
}

function denied(rule: string, count?: number): AuditEvent {
  const by = { file: 'networks.yaml', line: 1, rule }
  return {
    stream: 'access',
    action: 'connection-denied',
    connection: CONNECTION,
    by,
    ...(count === undefined ? {} : { count }),
  }
}

describe('the names of the contract', () => {
  test('are all there', async () => {
    const { text, type } = await metrics.scrape()
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => `${name} ${kind}`)
    expect(names.toSorted()).toEqual([
      'postern_audit_lag_seconds gauge',
      'postern_backend_login_seconds histogram',
      'postern_backend_up gauge',
      'postern_certificate_expiry_timestamp_seconds gauge',
      'postern_connections_total counter',
      'postern_denied_total counter',
      'postern_feed_age_seconds gauge',
      'postern_forward_lag_seconds gauge',
      'postern_forward_lost_lines gauge',
      'postern_forward_repeated_lines gauge',
      'postern_forward_up gauge',
      'postern_fronts gauge',
      'postern_locks_active gauge',
      'postern_login_seconds histogram',
      'postern_logins_total counter',
      'postern_messages_total counter',
      'postern_origin_concentration gauge',
      'postern_password_checks_skipped_total counter',
      'postern_policy_degraded gauge',
      'postern_relay_bytes_total counter',
      'postern_sessions_active gauge',
      'postern_tls_handshake_seconds histogram',
      'postern_users gauge',
      'process_cpu_seconds_total counter',
      'process_resident_memory_bytes gauge',
      'process_start_time_seconds gauge',
    ])
    expect(type).toContain('text/plain')
  })
})

describe('events', () => {
  test('a denial counts by rule and listener, a summed one with its number', async () => {
    metrics.observe(denied('networks.deny'))
    metrics.observe(denied('networks.deny', 41))
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'postern_denied_total{rule="networks.deny"} 42',
        'postern_connections_total{listener="outside",result="denied"} 42',
      ]),
    )
  })

  test('logins count by result and factor', async () => {
    metrics.observe(LOGIN)
    metrics.observe({
      stream: 'auth',
      action: 'login-failed',
      connection: CONNECTION,
      user: 'ann',
      reason: 'code-wrong',
      count: 2,
    })
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'postern_logins_total{result="succeeded",factor="totp"} 1',
        'postern_logins_total{result="code-wrong",factor="none"} 2',
      ]),
    )
  })

  test('a session counts its connection once, when it opens', async () => {
    for (const event of everyEvent('x')) if (event.stream === 'session') metrics.observe(event)
    const counted = (await lines()).filter((line) => line.startsWith('postern_connections_total{'))
    expect(counted).toEqual(['postern_connections_total{listener="x",result="session"} 1'])
  })

  test('a backend is up or down, the policy degraded or not, a certificate has its end', async () => {
    const backend = { stream: 'admin', backend: 'old-mail', address: '10.0.0.5:110' } as const
    metrics.observe({ ...backend, action: 'backend-up' })
    expect(await lines()).toContain('postern_backend_up{backend="old-mail",address="10.0.0.5:110"} 1')
    metrics.observe({ ...backend, action: 'backend-down', reason: 'refused' })
    metrics.observe({ stream: 'admin', action: 'policy-rejected', faults: ['x'] })
    const certificate = { name: 'mail', notAfter: '2027-01-01T00:00:00Z', fingerprint: 'ab' }
    metrics.observe({ stream: 'admin', action: 'certificate-loaded', ...certificate })
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'postern_backend_up{backend="old-mail",address="10.0.0.5:110"} 0',
        'postern_policy_degraded 1',
        'postern_certificate_expiry_timestamp_seconds{name="mail"} 1798761600',
      ]),
    )
    metrics.observe({ stream: 'admin', action: 'policy-loaded', files: {} })
    expect(await lines()).toContain('postern_policy_degraded 0')
  })

  test('no user and no address of a client is ever a label', async () => {
    for (const event of everyEvent('secret-text')) {
      metrics.observe('user' in event ? { ...event, user: 'ann@example.com' } : event)
    }
    const { text } = await metrics.scrape()
    expect(text).not.toContain('ann@')
    expect(text).not.toContain(CONNECTION.ip)
  })

  test('rules that a taken-over front invents do not grow the memory', async () => {
    for (let n = 0; n < METRIC_VALUES_MAX * 3; n++) metrics.observe(denied(`invented-${n}`))
    const rules = (await lines()).filter((line) => line.startsWith('postern_denied_total{'))
    expect(rules).toHaveLength(METRIC_VALUES_MAX + 1)
    expect(rules.at(-1)).toBe(`postern_denied_total{rule="other"} ${METRIC_VALUES_MAX * 2}`)
  })

  test('a label cannot break the exposition format', async () => {
    metrics.observe(denied('a"\n} 1\npostern_fronts 99 #'))
    expect((await lines()).filter((line) => line.startsWith('postern_fronts'))).toEqual(['postern_fronts 2'])
  })
})

describe('what the keeper knows', () => {
  test('is read at each scrape', async () => {
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'postern_fronts 2',
        'postern_sessions_active 7',
        'postern_audit_lag_seconds 0.25',
        'postern_feed_age_seconds{feed="country_database"} 86400',
        'postern_users{state="enrolled"} 12',
        'postern_users{state="pending"} 3',
      ]),
    )
    users = { enrolled: 13 }
    const now = (await lines()).filter((line) => line.startsWith('postern_users{'))
    expect(now).toEqual(['postern_users{state="enrolled"} 13'])
  })

  test('the relay adds up, times are seconds', async () => {
    metrics.relayed({ toClient: 1000, fromClient: 10, retrieved: 2, deleted: 1 })
    metrics.relayed({ toClient: 500, fromClient: 0, retrieved: 1, deleted: 0 })
    metrics.tlsHandshake(20)
    metrics.login(1500)
    metrics.backendLogin(1200)
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'postern_relay_bytes_total{direction="to_client"} 1500',
        'postern_relay_bytes_total{direction="from_client"} 10',
        'postern_messages_total{action="retrieved"} 3',
        'postern_messages_total{action="deleted"} 1',
        'postern_tls_handshake_seconds_sum 0.02',
        'postern_login_seconds_sum 1.5',
        'postern_backend_login_seconds_bucket{le="1"} 0',
        'postern_backend_login_seconds_bucket{le="2.5"} 1',
      ]),
    )
  })
})
