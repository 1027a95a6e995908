import { expect, test } from 'vitest'
import { faultsOf, good, LOGIN, POSTERN } from './folder.ts'

/** The contract's example, with the values that this version does not do set to what it does. */
const FULL_POSTERN = `listeners:
  - name: outside
    address: "[::]:995"
    tls: implicit
    proxy_protocol_from: []
    client_certificates: off
tls:
  certificates:
    - { cert: tls/cert.pem, key: tls/key.pem }
  min_version: "1.2"
  warn_before_expiry: 30d
  client_ca: null
backends:
  - name: old-mail
    domains: ["*"]
    addresses: ["10.0.0.5:110", "10.0.0.6:110"]
    tls: off
    tls_ca: null
    tls_name: null
    auth: auto
    username: "{user}"
    capabilities: auto
    login_time: 180s
    max_sessions: 200
    remember_refused: 15m
    proxy_protocol: off
    xclient: off
    busy_errors: ['\\b(maildrop|mailbox)\\b.*\\b(lock(ed)?|in use|busy)\\b']
checks: [networks]
on_deny: drop
reload: watch
limits: { connections: 10000, login_time: 60s, idle_time: 10m, drain_time: 5m }
processes: { fronts: auto, user: postern }
state: { store: sqlite, path: ../state, key_file: ../keys/master.key }
audit:
  path: ../state/audit
  keep: 200d
  max_size: 20GiB
  rotate: { every: 1d, size: 100MiB }
  messages: off
  dovecot_log: null
  forward: []
admin: { listen: 127.0.0.1:9110, token: null }
log: { level: info, format: text }
`
const FULL_LOGIN = `users:
  default_domain: null
  strip_prefix: []
  roster: null
second_factor:
  required_for: all
  until: null
  pending_for: 14d
  methods: [totp, app_password, client_certificate]
  not_required_from: []
totp: { separator: "", window: 1 }
trusted_device:
  for: 12h
  idle: off
  same_network: { ipv4: 24, ipv6: 48 }
  same_client: true
  accept: repeated
failures:
  reply_after: 3s
  per_user:    { allow: 10/1h, lock: 15m }
  per_address: { allow: 20/1h, lock: 15m }
  per_network: { allow: 100/1h, lock: 15m, ipv4: 24, ipv6: 56 }
  per_user_everywhere: { allow: 50/1d }
rules: []
exceptions: []
`
const FULL_NETWORKS = 'mode: enforce\nallow: [lists/office.txt]\ndeny: [lists/denied.txt]\n'

test("the contract's example is taken, and says no more than the defaults do", async () => {
  const full = await good({
    'postern.yaml': FULL_POSTERN,
    'login.yaml': FULL_LOGIN,
    'networks.yaml': FULL_NETWORKS,
    'lists/office.txt': '198.51.100.0/24',
  })
  const short = await good({ 'postern.yaml': POSTERN })
  const { backends, tls, state, audit, ...rest } = full.policies.postern
  const {
    backends: shortBackends,
    tls: shortTls,
    state: shortState,
    audit: shortAudit,
    ...shortRest
  } = short.policies.postern
  expect(rest).toEqual(shortRest)
  expect({ ...tls, certificates: [] }).toEqual({ ...shortTls, certificates: [] })
  expect({ ...backends[0], name: '', addresses: [] }).toEqual({ ...shortBackends[0], name: '', addresses: [] })
  expect({ ...audit, path: '' }).toEqual({ ...shortAudit, path: '' })
  expect({ ...state, path: '', key_file: '' }).toEqual({ ...shortState, path: '', key_file: '' })
  expect(full.policies.login).toEqual(short.policies.login)
  expect(full.warnings).toEqual([])
})

const postern: [string, string, string, string][] = [
  [
    'client_certificates: off',
    'client_certificates: on',
    '6:26',
    '`listeners[0].client_certificates: on` is not known here; write off or request',
  ],
  ['store: sqlite', 'store: valkey', '', '`state.store: valkey` is not in this version yet; write sqlite'],
]
test.each(postern)('postern.yaml: instead of %s, %s is refused by name', async (from, to, place, message) => {
  expect(FULL_POSTERN.split(from).length).toBeGreaterThan(1)
  const faults = await faultsOf({ 'postern.yaml': FULL_POSTERN.replace(from, to), 'login.yaml': FULL_LOGIN })
  expect(faults.map((fault) => fault.replace(/^postern.yaml:\d+:\d+: /, ''))).toContain(message)
  if (place !== '') expect(faults).toEqual([`postern.yaml:${place}: ${message}`])
})

test('app passwords alone will do; a method that does nothing yet may stand beside', async () => {
  const { policies } = await good({
    'login.yaml': `${LOGIN}totp: { window: 2 }\n`.replace(
      'all }',
      'all, methods: [app_password, client_certificate] }',
    ),
  })
  expect(policies.login.second_factor.methods).toEqual(['app_password', 'client_certificate'])
})

test('without the key, the checks are those that are built', async () => {
  expect((await good()).policies.postern.checks).toEqual(['networks'])
})

/** Every mapping of the full files, as the path to it. */
const sections = (text: string) => text.split('\n').flatMap((line, i) => (/^( *)(- )?[a-z_]+:/.test(line) ? [i] : []))
test.each([
  ['postern.yaml', FULL_POSTERN],
  ['login.yaml', FULL_LOGIN],
  ['networks.yaml', FULL_NETWORKS],
])('%s: an unknown key is a fault, wherever it stands', async (name, text) => {
  const lines = text.split('\n')
  let tried = 0
  for (const i of sections(text)) {
    const indent = /^ */.exec(lines[i] ?? '')?.[0] ?? ''
    if ((lines[i] ?? '').startsWith(`${indent}- `)) continue
    const planted = lines.toSpliced(i, 0, `${indent}zzz: 1`).join('\n')
    const faults = await faultsOf({ [name]: planted, 'lists/office.txt': '' })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(`${name}:${i + 1}:${indent.length + 1}: unknown key \`zzz\`; known here: `)
    tried++
  }
  for (const [i, line] of lines.entries()) {
    if (!/\{ [a-z]/.test(line)) continue
    const planted = lines.with(i, line.replace('{ ', '{ zzz: 1, ')).join('\n')
    const faults = await faultsOf({ [name]: planted, 'lists/office.txt': '' })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain('unknown key `zzz`; known here: ')
    tried++
  }
  expect(tried).toBeGreaterThan(2)
})

test.each([
  ['limits: { idel_time: 5m }', 'unknown key `idel_time`; did you mean idle_time?'],
  ['limits: { loginTime: 5m }', 'unknown key `loginTime`; did you mean login_time?'],
  ['limits: { drain-time: 5m }', 'unknown key `drain-time`; did you mean drain_time?'],
  ['ondeny: say', 'unknown key `ondeny`; did you mean on_deny?'],
  ['backend: []', 'unknown key `backend`; did you mean backends?'],
  ['__proto__: { checks: [] }', 'known here: listeners, tls,'],
  ['constructor: 1', 'known here: listeners, tls,'],
  ['<<: { checks: [] }', 'unknown key `<<`; known here: '],
])('%s: %s', async (line, message) => {
  const faults = await faultsOf({ 'postern.yaml': `${POSTERN}${line}\n` })
  expect(faults).toHaveLength(1)
  expect(faults[0]).toContain(message)
})

test('what is built of a check that is not, cannot be switched on by an unknown key hiding it', async () => {
  const faults = await faultsOf({ 'postern.yaml': `${POSTERN}zzz: 1\nstate: { store: valkey }\n` })
  expect(faults).toEqual([
    expect.stringMatching(/^postern.yaml:5:1: unknown key `zzz`/),
    'postern.yaml:6:17: `state.store: valkey` is not in this version yet; write sqlite',
  ])
})
