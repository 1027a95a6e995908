import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkPolicies, resolveBackends } from '../../../src/policy/check.ts'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { loadPolicies } from '../../../src/policy/load.ts'
import { OPEN } from '../gate/lists.ts'
import { folderOf, good, NOW, pair, POSTERN } from './folder.ts'

test('the fronts get all that they need, and nothing of the logins', async () => {
  const { policies } = await good({
    'postern.yaml': `${POSTERN}    login_time: 90s
listeners: [{ name: outside, address: "[::]:995" }, { name: inside, address: "127.0.0.1:0" }]
on_deny: say
limits: { connections: 500, login_time: 30s, idle_time: 11m }
admin: { listen: off, token: hunter2 }
`,
  })
  const snapshot = compilePolicies(policies, 7)
  const [certificate] = snapshot.certificates
  expect(snapshot).toEqual({
    generation: 7,
    listeners: [
      { name: 'outside', host: '::', port: 995, tls: 'implicit', clientCertificates: false, proxy: null },
      { name: 'inside', host: '127.0.0.1', port: 0, tls: 'implicit', clientCertificates: false, proxy: null },
    ],
    certificates: [certificate],
    clientCa: null,
    minVersion: 'TLSv1.2',
    backends: [
      {
        name: 'old',
        addresses: [{ host: '127.0.0.1', port: 110 }],
        tls: null,
        auth: 'auto',
        loginTimeMs: 90_000,
        busyErrors: ['\\b(maildrop|mailbox)\\b.*\\b(lock(ed)?|in use|busy)\\b'],
        capabilities: null,
        proxyProtocol: 'off',
        xclient: false,
      },
    ],
    gate: { ...OPEN, networks: policies.networks },
    onDeny: 'say',
    messages: false,
    limits: { loginTimeMs: 30_000, idleTimeMs: 660_000, connections: 500 },
  })
  expect(certificate).toMatchObject({ name: 'tls/cert.pem', serverNames: ['mail.example.com'] })
  expect(certificate?.key).toContain('BEGIN PRIVATE KEY')
})

test('min_version is taken with quotes and without', async () => {
  for (const written of ['1.3', '"1.3"']) {
    const { policies } = await good({ 'postern.yaml': POSTERN.replace('tls: {', `tls: { min_version: ${written},`) })
    expect(compilePolicies(policies, 1).minVersion).toBe('TLSv1.3')
  }
})

const named = POSTERN.replace('127.0.0.1', 'mail.example.com')
const found: Record<string, string[]> = {
  'mail.example.com': ['10.0.0.5', '203.0.113.5'],
  'in.example.com': ['10.0.0.6'],
}
const resolver = (host: string) =>
  found[host] === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found[host])

test('check warns where a name leads to a public address, and faults one that leads nowhere', async () => {
  const folder = await folderOf({
    'postern.yaml': named.replace('10"]', '10", "in.example.com:110", "gone.example.com:110", "10.0.0.1:110"]'),
  })
  const checked = await checkPolicies(join(folder, 'postern.yaml'), {}, resolver, { now: NOW })
  const short = (lines: string[]) => lines.map((line) => line.replace(`${folder}/`, ''))
  expect(short(checked.faults)).toEqual([
    'postern.yaml:4:63: `backends[0].addresses[2]: "gone.example.com:110"` cannot be resolved; check the name and the resolver of this machine',
  ])
  expect(short(checked.warnings)).toEqual([
    'postern.yaml:4:17: `backends[0].addresses[0]: "mail.example.com:110"` leads to 203.0.113.5, beyond private networks, and `tls: off` sends passwords there in plain text',
  ])
})

test('a name that leads nowhere is a fault, also when nothing answers', async () => {
  const { policies } = await good({ 'postern.yaml': named })
  const empty = await resolveBackends(policies, () => Promise.resolve([]))
  expect(empty.faults).toHaveLength(1)
})

test('addresses are not asked for', async () => {
  const { policies } = await good()
  const asked: string[] = []
  await resolveBackends(policies, (host) => {
    asked.push(host)
    return Promise.resolve([])
  })
  expect(asked).toEqual([])
})

test('check says what the loader says', async () => {
  const folder = await folderOf({ 'login.yaml': null })
  const { faults } = await checkPolicies(join(folder, 'postern.yaml'), {}, resolver, { now: NOW })
  expect(faults).toEqual([`${folder}/login.yaml:1:1: the file is not there; it must lie beside postern.yaml`])
})

test('the policies that come with Postern are without fault once a certificate is there, and ask everybody for a code', async () => {
  const folder = await folderOf()
  const ours = join(folder, 'ours')
  await cp(new URL('../../../policies', import.meta.url), ours, { recursive: true })
  const before = await loadPolicies(join(ours, 'postern.yaml'), {}, { now: NOW })
  expect(before).toMatchObject({
    ok: false,
    faults: [
      `${ours}/postern.yaml:11:7: ${ours}/tls/fullchain.pem is not there; put the certificate and its chain there in PEM form`,
    ],
  })
  await mkdir(join(ours, 'tls'), { recursive: true })
  const { cert, key } = await pair()
  await writeFile(join(ours, 'tls/fullchain.pem'), cert)
  await writeFile(join(ours, 'tls/privkey.pem'), key, { mode: 0o600 })
  const loaded = await loadPolicies(join(ours, 'postern.yaml'), {}, { now: NOW })
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'))
  expect(loaded.warnings).toEqual([])
  const { login } = loaded.policies
  expect(login.second_factor).toMatchObject({
    required_for: 'all',
    methods: ['totp', 'app_password'],
    not_required_from: [],
  })
  expect(login.trusted_device).toMatchObject({ for: 43_200_000, same_client: true, accept: 'repeated' })
})

test('the example of reputation.yaml is taken as it stands', async () => {
  const example = await readFile(new URL('../../../policies/reputation.yaml.example', import.meta.url))
  const { policies, warnings } = await good({
    'postern.yaml': `${POSTERN}checks: [networks, reputation]\n`,
    'reputation.yaml': example,
  })
  expect(policies.reputation?.feeds).toMatchObject([{ name: 'drop-v4', mode: 'monitor', onError: 'allow' }])
  expect(warnings).toEqual([])
})

test('the examples can be used as they are, and lists are lists', async () => {
  const folder = new URL('../../../policies/', import.meta.url)
  const examples = (await readdir(folder)).filter((name) => name.endsWith('.yaml.example'))
  expect(examples.toSorted()).toEqual(['geofence.yaml.example', 'reputation.yaml.example'])
  const text = (name: string) => readFile(new URL(name, folder), 'utf8')
  await good({
    'postern.yaml': `${POSTERN}checks: [networks, reputation, geofence]\n`,
    'reputation.yaml': await text('reputation.yaml.example'),
    'geofence.yaml': await text('geofence.yaml.example'),
  })
  const { policies } = await good({
    'login.yaml': 'users: { roster: lists/users.txt }',
    'networks.yaml': 'allow: [lists/office.txt]',
    'lists/users.txt': await readFile(new URL('lists/users.txt.example', folder)),
    'lists/office.txt': await readFile(new URL('lists/office.txt.example', folder)),
  })
  expect(policies.roster?.get('a.smith@example.com')).toBe('ann@example.com')
})

test('a resolver that is down is a warning, no fault, for names that are in force already', async () => {
  const { policies } = await good({ 'postern.yaml': named })
  const down = () => Promise.reject(new Error('EAI_AGAIN'))
  const hosts = policies.postern.backends.flatMap(({ addresses }) => addresses.map(({ host }) => host))
  expect((await resolveBackends(policies, down)).faults).toHaveLength(1)
  const { faults, warnings } = await resolveBackends(policies, down, new Set(hosts))
  expect([faults, warnings.length]).toEqual([[], 1])
})
