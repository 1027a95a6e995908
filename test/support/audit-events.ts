import type { AuditEvent, ConnectionFacts } from '../../src/audit/events.ts'

export const CONNECTION: ConnectionFacts = {
  session: '0123456789abcdef01234567',
  listener: 'outside',
  ip: '192.0.2.7',
  port: 50123,
  connected: Date.UTC(2026, 10, 21),
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    ja4: 't13d1516h2_8daaf6152771_b186095e22b6',
    serverName: 'mail.example.com',
    resumed: false,
  },
}

const BY = { file: 'lists/denied.txt', line: 12, rule: 'networks.deny' }

/** One event of every kind, whose texts are all `text`. */
export function everyEvent(text: string): AuditEvent[] {
  const connection: ConnectionFacts = {
    ...CONNECTION,
    listener: text,
    tls: {
      version: text,
      cipher: text,
      ja4: text,
      serverName: text,
      resumed: true,
      certificate: { verdict: text, fingerprint: text, serial: text, users: [text] },
    },
  }
  const by = { ...BY, file: text, rule: text }
  const counts = { bytesToClient: 1, bytesFromClient: 2, retrieved: 3, deleted: 4, marked: 5, durationMs: 6 }
  return [
    { stream: 'access', action: 'connection-denied', connection, by, answer: text },
    { stream: 'access', action: 'connection-would-deny', connection, by, count: 3, network: text },
    { stream: 'access', action: 'connection-closed', connection, reason: 'login-timeout' },
    { stream: 'access', action: 'tls-failed', connection, reason: text },
    { stream: 'access', action: 'protocol-violation', connection, reason: text },
    { stream: 'auth', action: 'login-succeeded', connection, user: text, factor: 'totp', backend: text, device: text },
    {
      stream: 'auth',
      action: 'login-succeeded',
      connection,
      user: text,
      factor: 'recovery-code',
      backend: text,
      temporary: true,
    },
    { stream: 'auth', action: 'login-failed', connection, user: text, reason: 'rule', by, count: 2 },
    { stream: 'auth', action: 'device-trusted', connection, user: text, device: text },
    { stream: 'auth', action: 'device-revoked', user: text, device: text, reason: text },
    { stream: 'auth', action: 'app-password-stale', connection, user: text, name: text },
    { stream: 'auth', action: 'password-exposed', connection, user: text, reason: 'code-wrong', network: text },
    {
      stream: 'auth',
      action: 'login-succeeded',
      connection,
      user: text,
      factor: 'app-password',
      backend: text,
      appPassword: text,
    },
    { stream: 'auth', action: 'user-frozen', user: text, reason: text },
    { stream: 'auth', action: 'user-unfrozen', user: text },
    { stream: 'session', action: 'session-killed', connection, user: text, backend: text, reason: text },
    { stream: 'auth', action: 'user-locked', user: text, network: text, until: text },
    { stream: 'auth', action: 'network-locked', network: text, until: text },
    { stream: 'auth', action: 'spraying', network: text, users: 12, act: 'locked', until: text },
    { stream: 'auth', action: 'spraying', network: text, users: 12, act: 'reported', until: null },
    { stream: 'auth', action: 'guessing-spread', user: text, networks: 12, act: 'refused-unjudged', until: text },
    { stream: 'auth', action: 'guessing-spread', user: text, networks: 12, act: 'reported', until: null },
    { stream: 'admin', action: 'lock-cleared', user: text, locks: 1 },
    { stream: 'admin', action: 'lock-cleared', network: text, locks: 0 },
    { stream: 'session', action: 'session-opened', connection, user: text, backend: text },
    { stream: 'session', action: 'session-closed', connection, user: text, backend: text, counts, reason: 'quit' },
    {
      stream: 'session',
      action: 'session-closed',
      connection,
      user: text,
      backend: text,
      counts: null,
      reason: 'front-lost',
    },
    { stream: 'admin', action: 'user-travel', user: text, countries: [text], until: text, reason: text },
    { stream: 'admin', action: 'server-started', version: text, node: text },
    { stream: 'admin', action: 'server-stopped', reason: text },
    { stream: 'admin', action: 'front-lost', front: 1, reason: text },
    { stream: 'admin', action: 'policy-loaded', files: { [text]: text } },
    { stream: 'admin', action: 'policy-rejected', faults: [text, text] },
    { stream: 'admin', action: 'break-glass', network: text, until: text, reason: text },
    { stream: 'admin', action: 'break-glass', network: text, until: null, reason: text },
    { stream: 'admin', action: 'feed-updated', feed: text, entries: 1 },
    { stream: 'admin', action: 'feed-failed', feed: text, reason: text },
    { stream: 'admin', action: 'user-enrolled', user: text, replaced: true },
    { stream: 'admin', action: 'user-removed', user: text },
    {
      stream: 'admin',
      action: 'app-password-added',
      user: text,
      name: text,
      networks: text,
      expires: text,
      pending: true,
    },
    { stream: 'admin', action: 'app-password-revoked', user: text, name: text, reason: text },
    { stream: 'admin', action: 'temp-code-made', user: text, until: text },
    { stream: 'admin', action: 'certificate-loaded', name: text, notAfter: text, fingerprint: text },
    { stream: 'admin', action: 'certificate-expiring', name: text, notAfter: text, fingerprint: text },
    { stream: 'admin', action: 'certificate-rejected', name: text, reason: text },
    { stream: 'admin', action: 'feed-updated', feed: text, entries: 3, before: null, unread: 1 },
    { stream: 'admin', action: 'feed-failed', feed: text, reason: text },
    { stream: 'admin', action: 'backend-up', backend: text, address: text },
    { stream: 'admin', action: 'backend-down', backend: text, address: text, reason: text },
    {
      stream: 'session',
      action: 'message-retrieved',
      connection,
      user: text,
      backend: text,
      count: 2,
      numbers: text,
      octets: 9,
    },
    { stream: 'session', action: 'message-deleted', connection, user: text, backend: text, count: 1, numbers: text },
    { stream: 'admin', action: 'forward-failed', forward: text, reason: text },
    { stream: 'admin', action: 'forward-recovered', forward: text },
    { stream: 'admin', action: 'forward-lost', forward: text, file: text, lines: 3 },
    { stream: 'admin', action: 'audit-repaired', file: text, bytes: 3 },
    { stream: 'admin', action: 'audit-dropped', file: text, lines: 3 },
    { stream: 'admin', action: 'audit-tampered', file: text, kind: 'cut-tail', reason: text },
    {
      stream: 'admin',
      action: 'audit-removed',
      file: text,
      lines: 3,
      reason: text,
      begins: { auth: { seq: 4, prev: '0'.repeat(64) } },
    },
    { stream: 'admin', action: 'audit-key-made', anchor: 'A'.repeat(43) },
  ]
}

export const LOGIN: AuditEvent = {
  stream: 'auth',
  action: 'login-succeeded',
  connection: CONNECTION,
  user: 'ann@example.com',
  factor: 'totp',
  backend: 'old-mail',
}

export function denied(ip: string): AuditEvent {
  return {
    stream: 'access',
    action: 'connection-denied',
    connection: { listener: 'outside', ip, port: 1 },
    by: BY,
  }
}
