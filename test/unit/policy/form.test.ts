/** How a policy file is written: YAML, its character set, and variables. */
import { expect, test } from 'vitest'
import { faultsOf, good, load, POSTERN } from './folder.ts'

const tooMany = 'anchors and aliases (& and *) are not taken; write the value out'

test.each([
  ['a tab', 'limits:\n\tidle_time: 10m\n', ['6:1: a tab is no indentation in YAML; use spaces']],
  ['a key twice', 'on_deny: say\non_deny: drop\n', ['6:1: this key stands here for the second time; keep one']],
  ['a bracket left open', 'checks: [networks\n', ['6:1: the indentation is wrong, or a bracket is not closed']],
  [
    'a colon too many',
    'on_deny: say: drop\n',
    ['5:10: the indentation is wrong, or a value holds ": " and needs quotes'],
  ],
  ['a second document', '---\non_deny: say\n', ['5:1: a second document starts here; a policy file holds one']],
  ['an unknown tag', 'on_deny: !!js/function say\n', ['5:10: tags are not known here; leave it out']],
  ['an alias', 'on_deny: &a say\nreload: *a\n', [`6:9: ${tooMany}`]],
  ['a list as a key', '? [on_deny]\n: say\n', ['5:3: a key must be a plain word']],
])('%s is refused in plain words', async (_, lines, faults) => {
  expect(await faultsOf({ 'postern.yaml': `${POSTERN}${lines}` })).toEqual(
    faults.map((fault) => `postern.yaml:${fault}`),
  )
})

test('a bomb of aliases is refused, and not unfolded', async () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (let i = 0; i < 20; i++)
    bomb.push(
      `${'abcdefghijklmnopqrstuvwxyz'[i + 1]}: &${'abcdefghijklmnopqrstuvwxyz'[i + 1]} [${Array<string>(9).fill(`*${'abcdefghijklmnopqrstuvwxyz'[i]}`).join(', ')}]`,
    )
  const faults = await faultsOf({ 'login.yaml': bomb.join('\n') })
  expect(faults[0]).toBe(`login.yaml:2:8: ${tooMany}`)
  expect(faults.at(-1)).toContain('more in this file')
})

test.each(['[', '- ', '? ', '{a: '])('a file that nests %j without end is refused', async (opening) => {
  const faults = await faultsOf({ 'login.yaml': opening.repeat(20_000) })
  expect(faults[0]).toMatch(/^login.yaml:1:\d+: /)
})

test.each([
  ['nothing at all', '', 'login.yaml:1:1: the file holds no keys; write {} to take all defaults'],
  ['comments alone', '# to do\n', 'login.yaml:1:1: the file holds no keys; write {} to take all defaults'],
  ['a list', '- a\n', 'login.yaml:1:1: the file is no section of keys'],
  [
    'Latin-1',
    Buffer.from('# ok\nusers: { strip_prefix: [B\xfcro] }\n', 'latin1'),
    'login.yaml:2:26: the file is no UTF-8 here; save it as UTF-8; it must lie beside postern.yaml',
  ],
  [
    'UTF-16',
    Buffer.from('\ufefftotp: {}', 'utf16le'),
    'login.yaml:1:1: the file is UTF-16; save it as UTF-8; it must lie beside postern.yaml',
  ],
  [
    'a byte order mark',
    '\ufefftotp: {}\n',
    'login.yaml:1:1: the file starts with a byte order mark; save it as UTF-8 without one; it must lie beside postern.yaml',
  ],
  [
    '2 MiB',
    `# ${'x'.repeat(2_097_150)}`,
    'login.yaml:1:1: the file holds 2097152 octets, and no more than 262144 are read; is it the right file?; it must lie beside postern.yaml',
  ],
])('a file of %s is refused', async (_, content, fault) => {
  expect(await faultsOf({ 'login.yaml': content })).toEqual([fault])
})

test('an empty mapping is all defaults', async () => {
  expect((await good({ 'login.yaml': '{}\n' })).policies.login.second_factor.required_for).toBe('all')
})

test.each(['on', 'true', '"on"', 'True'])('a switch at %s is on', async (written) => {
  const { policies } = await good({ 'login.yaml': `trusted_device: { same_client: ${written} }` })
  expect(policies.login.trusted_device.same_client).toBe(true)
})

test.each(['off', 'false', "'off'"])('a switch at %s is off', async (written) => {
  const { policies } = await good({ 'login.yaml': `trusted_device: { same_client: ${written}, for: ${written} }` })
  expect(policies.login.trusted_device).toMatchObject({ same_client: false, for: null })
})

test('${NAME} is the environment variable, typed as YAML would where it stands plain', async () => {
  const environment = { CONNECTIONS: '500', HOST: '127.0.0.1', PORT: '1100', TOKEN: '12345', DENY: 'say' }
  const { policies } = await good(
    {
      'postern.yaml': `${POSTERN}limits:\n  connections: \${CONNECTIONS}\nadmin: { listen: "\${HOST}:\${PORT}", token: "\${TOKEN}" }\non_deny: \${DENY}\n`,
    },
    environment,
  )
  expect(policies.postern.limits.connections).toBe(500)
  expect(policies.postern.admin.listen).toEqual({ host: '127.0.0.1', port: 1100 })
  expect(policies.postern.on_deny).toBe('say')
  expect(policies.variables.toSorted()).toEqual(['CONNECTIONS', 'DENY', 'HOST', 'PORT', 'TOKEN'])
})

test('a number may come out of a variable in quotes, as inside brackets it must', async () => {
  const { policies } = await good({ 'postern.yaml': `${POSTERN}limits: { connections: "\${N}" }\n` }, { N: '77' })
  expect(policies.postern.limits.connections).toBe(77)
})

test('$${ is a plain ${', async () => {
  const { policies } = await good({ 'login.yaml': 'users: { strip_prefix: ["$${CORP}/"] }' }, { CORP: 'x' })
  expect(policies.login.users.strip_prefix).toEqual(['${CORP}/'])
})

test('what comes out of a variable is a value, and never more of the file', async () => {
  const environment = { DENY: 'say\nchecks: []', LIST: '[networks]', INNER: '${DENY}' }
  const text = (name: string) => `${POSTERN}on_deny: \${${name}}\n`
  for (const name of Object.keys(environment)) {
    expect(await faultsOf({ 'postern.yaml': text(name) }, environment)).toEqual([
      `postern.yaml:5:10: \`on_deny: \${${name}}\` is not known here; write drop or say`,
    ])
  }
})

test.each([
  ['on_deny: ${GONE}', '5:10: the environment variable GONE is not set'],
  ['on_deny: ${toString}', '5:10: the environment variable toString is not set'],
  [
    'on_deny: "${}"',
    '5:10: a `${` must be ${NAME} of an environment variable; write $${ for the characters themselves',
  ],
  [
    'on_deny: "${A-B}"',
    '5:10: a `${` must be ${NAME} of an environment variable; write $${ for the characters themselves',
  ],
  [
    'on_deny: "${A"',
    '5:10: a `${` must be ${NAME} of an environment variable; write $${ for the characters themselves',
  ],
  [
    'checks: [${GONE}]',
    '5:11: a colon, comma, quote or bracket is missing; inside [ ] and { } put "${NAME}" in quotes',
  ],
  [
    'admin: { token: ${T}, listen: off }',
    '5:18: this is no YAML that can be read; inside [ ] and { } put "${NAME}" in quotes',
  ],
])('%s is refused at its place', async (line, fault) => {
  expect(await faultsOf({ 'postern.yaml': `${POSTERN}${line}\n` })).toEqual([`postern.yaml:${fault}`])
})

test('no fault and no warning shows what a variable or a secret key holds', async () => {
  const environment = { SECRET: 'hunter2hunter2' }
  const lines = [
    'admin: { listen: "0.0.0.0:1", token: "${SECRET}" }',
    'admin: { listen: off, token: { hunter2hunter2: 1 } }',
    'admin: { listen: "${SECRET}", token: 1234567890 }',
    'admin: { listen: off, token: "hunter2hunter2\\u0007" }',
    'admin: { listen: off, token: "hunter2hunter2" hunter2hunter2 }',
    'admin:\n  token: hunter2hunter2: hunter2hunter2',
    'on_deny: "${SECRET}"',
    'checks: ["${SECRET}"]',
    'limits: { idle_time: "${SECRET}", connections: "${SECRET}" }',
    'tls: { certificates: [{ cert: tls/cert.pem, key: "${SECRET}" }] }',
    'state: { key_file: "${SECRET}", path: "${SECRET}" }',
  ]
  const said: string[] = []
  for (const line of lines) {
    const loaded = await load(
      { 'postern.yaml': `${POSTERN.replace(/tls:.*\n/, line.startsWith('tls') ? '' : '$&')}${line}\n` },
      environment,
    )
    const told = [...(loaded.ok ? [] : loaded.faults), ...loaded.warnings]
    // A path that does not exist is named: that is what the operator must mend.
    said.push(...told.filter((one) => !one.includes('is not there')))
  }
  expect(said.length).toBeGreaterThan(8)
  expect(said.filter((one) => /hunter2|1234567890/.test(one))).toEqual([])
})

test('a master key out of the environment is a secret and no path', async () => {
  const text = `${POSTERN}state: { key_file: "\${POSTERN_MASTER_KEY}" }\n`
  const key = Buffer.alloc(32, 7).toString('base64')
  const { policies } = await good({ 'postern.yaml': text }, { POSTERN_MASTER_KEY: key })
  expect(policies.postern.state.key_file).toMatchObject({ from: 'environment' })
  expect(JSON.stringify(policies.postern)).not.toContain(key.slice(0, 8))
  expect(await faultsOf({ 'postern.yaml': text }, { POSTERN_MASTER_KEY: '/run/secrets/key' })).toEqual([
    'postern.yaml:5:20: `state.key_file: "${POSTERN_MASTER_KEY}"` holds no master key; make one with `openssl rand -base64 32`',
  ])
})
