import { expect, test } from 'vitest'
import { faultsOf, folderOf, good, pair, POSTERN } from './folder.ts'

const withAudit = (audit: string) => ({ 'postern.yaml': `${POSTERN}audit:\n${audit}` })

test('a forward says where to; port and streams have defaults', async () => {
  const { cert } = await pair()
  const { policies } = await good({
    ...withAudit(`  forward:
    - { to: "syslog+tls://Log.example.com", ca: tls/ca.pem, name: collector.example.com, streams: [auth] }
    - { to: "syslog+tcp://192.0.2.9" }
    - { to: "syslog+tcp://[2001:db8::9]:601" }
`),
    'tls/ca.pem': cert,
  })
  const all = ['access', 'auth', 'session', 'admin']
  expect(policies.forwards).toEqual([
    {
      to: { label: 'syslog+tls://log.example.com:6514', secure: true, host: 'log.example.com', port: 6514 },
      streams: ['auth'],
      tls: { ca: cert, name: 'collector.example.com', cert: null, key: null },
    },
    {
      to: { label: 'syslog+tcp://192.0.2.9:514', secure: false, host: '192.0.2.9', port: 514 },
      streams: all,
      tls: null,
    },
    { to: { label: 'syslog+tcp://[2001:db8::9]:601', secure: false, host: '2001:db8::9', port: 601 }, streams: all, tls: null }, // prettier-ignore
  ])
})

test.each([
  ['{ to: "log.example.com:514" }', 'names no scheme; write it like syslog+tls://log.example.com:6514'],
  ['{ to: "syslog+udp://192.0.2.9" }', 'has a scheme that is not carried; UDP loses lines'],
  ['{ to: "https://192.0.2.9" }', 'has a scheme that is not carried'],
  ['{ to: "syslog+tcp://192.0.2.9:0" }', 'has no host and port behind its scheme'],
  ['{ to: "syslog+tcp://" }', 'has no host and port behind its scheme'],
  ['{ to: "syslog+tcp://192.0.2.9", streams: [login] }', 'is not known here; write access, auth, session or admin'],
  ['{ to: "syslog+tcp://192.0.2.9", streams: [] }', 'is empty; name streams, or leave it out for all'],
  ['{ to: "syslog+tcp://192.0.2.9", ca: tls/cert.pem }', 'is for TLS; write syslog+tls://'],
  ['{ to: "syslog+tls://192.0.2.9", ca: tls/none.pem }', 'is not there; mend'],
  ['{ to: "syslog+tls://192.0.2.9", ca: lists/denied.txt }', 'holds no certificate in PEM form'],
  ['{ to: "syslog+tls://192.0.2.9", cert: tls/cert.pem }', 'needs `key` beside it'],
  ['{ to: "syslog+tls://192.0.2.9", cert: tls/cert.pem, key: lists/denied.txt }', 'and `key` are no pair in PEM form'],
  ['{ to: "syslog+tcp://192.0.2.9:514" }, { to: "syslog+tcp://192.0.2.9" }', 'is named twice'],
])('a forward that cannot be is a fault with its place: %s', async (item, fault) => {
  const faults = await faultsOf(withAudit(`  forward: [${item}]\n`))
  expect(faults).toHaveLength(1)
  expect(faults[0]).toMatch(/postern\.yaml:\d+:\d+: `audit\.forward\[\d\]\./)
  expect(faults[0]).toContain(fault)
})

test('plain text beyond private networks is warned of', async () => {
  const { warnings } = await good(
    withAudit('  forward: [{ to: "syslog+tcp://192.0.2.9" }, { to: "syslog+tcp://10.0.0.9" }]\n'),
  )
  expect(warnings).toEqual([expect.stringContaining('sends the audit in plain text beyond private networks')])
  expect(await folderOf()).toBeTruthy()
})

test('messages and the log in the words of Dovecot are switched on', async () => {
  const { policies } = await good(withAudit('  messages: on\n  dovecot_log: ../state/dovecot.log\n'))
  expect(policies.postern.audit).toMatchObject({ messages: true, dovecot_log: expect.stringMatching(/\/state\/dovecot\.log$/) as string }) // prettier-ignore
})
