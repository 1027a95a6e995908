import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/base/ip.ts'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import { loadPolicies } from '../../../src/policy/load.ts'
import { OPEN } from '../gate/lists.ts'
import { DAY, faultsOf, folderOf, good, load, loadFolder, LOGIN, NETWORKS, NOW, pair, POSTERN } from './folder.ts'

const address = (text: string) => {
  const read = parseAddress(text)
  if (read === null) throw new Error(text)
  return read
}
const warningsOf = async (...args: Parameters<typeof load>) => (await good(...args)).warnings

describe('a file that is missing is never passed over', () => {
  test.each([
    ['postern.yaml', ['postern.yaml:1:1: the file is not there; write it, or name another with -c']],
    ['login.yaml', ['login.yaml:1:1: the file is not there; it must lie beside postern.yaml']],
    ['networks.yaml', ['networks.yaml:1:1: the file is not there; `checks` of postern.yaml names it']],
    [
      'lists/denied.txt',
      ['networks.yaml:1:8: `deny[0]`: lists/denied.txt is not there; mend it, or take it off this list'],
    ],
    [
      'tls/cert.pem',
      ['postern.yaml:1:23: tls/cert.pem is not there; put the certificate and its chain there in PEM form'],
    ],
    ['tls/key.pem', ['postern.yaml:1:23: tls/key.pem is not there; put its private key there in PEM form']],
  ])('%s', async (name, faults) => {
    const loaded = await load({ [name]: null })
    expect(loaded).toMatchObject({ ok: false, faults })
    // It is watched all the same: once it is there, the policies are read again.
    const file = loaded.files.find((one) => one.path.endsWith(`/${name}`))
    expect(file).toMatchObject({ sha256: null, signature: 'absent' })
  })

  test('the roster', async () => {
    expect(await faultsOf({ 'login.yaml': 'users: { roster: lists/users.txt }' })).toEqual([
      'login.yaml:1:18: `users.roster`: lists/users.txt is not there; mend it, or take it out',
    ])
  })

  test('a folder is no file, and a file that may not be read is none', async () => {
    expect(await faultsOf({ 'networks.yaml': 'deny: [lists]' })).toEqual([
      'networks.yaml:1:8: `deny[0]`: lists is no plain file; mend it, or take it off this list',
    ])
    expect(await faultsOf({ 'networks.yaml': 'deny: [lists/denied.txt/x]' })).toEqual([
      'networks.yaml:1:8: `deny[0]`: lists/denied.txt/x is not there: part of its path is no folder; mend it, or take it off this list',
    ])
  })

  test('a network where a list file belongs is told apart', async () => {
    expect(await faultsOf({ 'networks.yaml': 'deny: ["192.0.2.0/24"]' })).toEqual([
      'networks.yaml:1:8: `deny[0]: 192.0.2.0/24` is no list file; write networks into a file and name that here',
    ])
  })

  test('networks.yaml may be missing when no check names it', async () => {
    expect(
      (await good({ 'postern.yaml': `${POSTERN}checks: []\n`, 'networks.yaml': null })).policies.networks,
    ).toBeNull()
  })
})

describe('an allow that is there and empty is a fault', () => {
  const help = 'name a file, such as lists/office.txt, or leave allow out for none'
  test.each([
    ['allow: []', `networks.yaml:1:8: \`allow\` is empty; ${help}`],
    ['allow:', 'networks.yaml:1:1: `allow` is empty; give it a value or leave the key out'],
    ['allow: null', 'networks.yaml:1:8: `allow: null` is empty; give it a value or leave the key out'],
    ['deny:', 'networks.yaml:1:1: `deny` is empty; give it a value or leave the key out'],
    [
      'allow: lists/denied.txt',
      'networks.yaml:1:8: `allow: lists/denied.txt` is no list; write [one, two], or a dash and an item a line',
    ],
  ])('%s', async (line, fault) => {
    expect(await faultsOf({ 'networks.yaml': `${line}\n` })).toEqual([fault])
  })

  test('a deny without entries denies nobody', async () => {
    const { policies } = await good({ 'networks.yaml': 'deny: []\n' })
    expect(earlyVerdict({ ...OPEN, networks: policies.networks }, address('192.0.2.1'), NOW).verdict).toEqual({
      say: 'pass',
    })
  })
})

test('the lists of networks.yaml reach the gate, with names relative to the folder', async () => {
  const { policies } = await good({
    'networks.yaml': 'mode: monitor\nallow: [lists/office.txt]\ndeny: [lists/denied.txt]\n',
    'lists/office.txt': '#\n198.51.100.0/24\n',
  })
  expect(policies.networks?.mode).toBe('monitor')
  expect(earlyVerdict({ ...OPEN, networks: policies.networks }, address('198.51.100.7'), NOW).verdict).toEqual({
    say: 'admit',
    by: { file: 'lists/office.txt', line: 2, rule: 'networks.allow' },
  })
  expect(earlyVerdict({ ...OPEN, networks: policies.networks }, address('::ffff:192.0.2.9'), NOW).would).toEqual([
    { file: 'lists/denied.txt', line: 1, rule: 'networks.deny' },
  ])
})

test('all faults of all files are told at once, file by file and line by line', async () => {
  const faults = await faultsOf({
    'postern.yaml': `${POSTERN}limts: {}\non_deny: perhaps\n`,
    'login.yaml': 'totp: { window: 11, seperator: "," }\ntrusted_device: { for: 12 }\n',
    'networks.yaml': 'deny: [lists/denied.txt, lists/gone.txt]\nmode: off\n',
    'lists/denied.txt': '192.0.2.1/24\n\nnonsense\n',
  })
  expect(faults).toEqual([
    'postern.yaml:5:1: unknown key `limts`; did you mean limits?',
    'postern.yaml:6:10: `on_deny: perhaps` is not known here; write drop or say',
    'login.yaml:1:17: `totp.window: 11` does not fit; write a whole number from 0 to 10',
    'login.yaml:1:21: unknown key `seperator`; did you mean separator?',
    'login.yaml:2:24: `trusted_device.for: 12` has no unit; write a duration such as 30s, 15m, 12h or 7d',
    'networks.yaml:2:7: `mode: off` is not known here; write enforce or monitor',
  ])
})

test('an unknown key does not hide what else is wrong', async () => {
  const faults = await faultsOf({
    'postern.yaml': `${POSTERN}limts: {}\nadmin: { listen: "0.0.0.0:9110" }\n`,
    'networks.yaml': `${NETWORKS}alow: [x]\n`,
    'lists/denied.txt': '192.0.2.1/24\n',
    'tls/key.pem': 'nothing',
  })
  expect(faults).toEqual([
    'postern.yaml:1:23: tls/key.pem holds no private key in PEM form',
    'postern.yaml:5:1: unknown key `limts`; did you mean limits?',
    'postern.yaml:6:18: `admin.listen: "0.0.0.0:9110"` can be reached from elsewhere; set `admin.token`',
    'networks.yaml:2:1: unknown key `alow`; did you mean allow?',
    'lists/denied.txt:1:1: `192.0.2.1/24` has bits set behind /24; write 192.0.2.0/24 for the network or 192.0.2.1 for the one address',
  ])
})

test('a list of nothing but faults tells the first twenty and counts the rest', async () => {
  const faults = await faultsOf({ 'lists/denied.txt': 'x\n'.repeat(5_000) })
  expect(faults).toHaveLength(21)
  expect(faults[20]).toBe('lists/denied.txt:21:1: … and 4980 more in this file')
})

describe('values that do not fit', () => {
  test.each([
    ['listeners: []', '`listeners` is empty; name at least one'],
    [
      'listeners: [{ name: a }]',
      '`listeners[0].address` is missing; write it like 192.0.2.1:995, [::]:995 or mail.example.com:110',
    ],
    [
      'listeners: [{ name: "a b", address: "1.2.3.4:995" }]',
      '`listeners[0].name: "a b"` is no name; use up to 64 letters, digits, dots, dashes and underscores',
    ],
    [
      'listeners: [{ name: a, address: "995" }]',
      '`listeners[0].address: "995"` is no host and port; write it like 192.0.2.1:995, [::]:995 or mail.example.com:110',
    ],
    [
      'listeners: [{ name: a, address: "::1:995" }]',
      '`listeners[0].address: "::1:995"` is no host and port; write it like 192.0.2.1:995, [::]:995 or mail.example.com:110',
    ],
    [
      'listeners: [{ name: a, address: "1.2.3.256:995" }]',
      '`listeners[0].address: "1.2.3.256:995"` is no host and port; write it like 192.0.2.1:995, [::]:995 or mail.example.com:110',
    ],
    [
      'listeners: [{ name: a, address: "1.2.3.4:65536" }]',
      '`listeners[0].address: "1.2.3.4:65536"` has a port outside 0 to 65535',
    ],
    [
      'listeners: [{ name: a, address: "127.0.0.1:1" }, { name: a, address: "127.0.0.1:2" }]',
      '`listeners[1].name: a` names two listeners',
    ],
    [
      'listeners: [{ name: a, address: "127.0.0.1:1" }, { name: b, address: "127.0.0.1:1" }]',
      '`listeners[1].address: "127.0.0.1:1"` is the address of two listeners',
    ],
    ['limits: { idle_time: 25d }', '`limits.idle_time: 25d` is too large; write 7d or less'],
    ['limits: { connections: 0 }', '`limits.connections: 0` does not fit; write a whole number from 1 to 1000000'],
    ['limits: { connections: 1.5 }', '`limits.connections: 1.5` does not fit; write a whole number from 1 to 1000000'],
    ['limits:', '`limits` is empty; give it a value or leave the key out'],
    ['limits: 5', '`limits: 5` is no section of keys'],
    ['limits: { idle_time: }', '`limits.idle_time` is empty; write a duration such as 30s, 15m, 12h or 7d'],
    [
      'audit: { max_size: 10MB }',
      '`audit.max_size: 10MB` has the unknown unit MB; write a size such as 64KiB, 10MiB or 20GiB',
    ],
    ['audit: { max_size: 100MiB }', '`audit.max_size: 100MiB` is too small; write 512MiB or more'],
    ['processes: { fronts: 0 }', '`processes.fronts: 0` does not fit; write auto, or a whole number from 1 to 64'],
    ['admin: { listen: 9110 }', '`admin.listen: 9110` is no host and port; write it like 127.0.0.1:9110, or off'],
    ['admin: { listen: "[::]:9110" }', '`admin.listen: "[::]:9110"` can be reached from elsewhere; set `admin.token`'],
    ['admin: { token: 5 }', '`admin.token: [secret]` is not text; put it in quotes'],
    ['state: { path: "" }', '`state.path: ""` is empty; write a path'],
    [
      `state: { path: /${'s'.repeat(95)} }`,
      `\`state.path: /${'s'.repeat(59)}…\` is too long: the control socket in it may have no more than 107 octets`,
    ],
    [
      'state: { path: s, key_file: s/keys/master.key }',
      '`state.key_file: s/keys/master.key` lies inside `state.path`: whoever copies the state has its key; move it',
    ],
    [
      'state: { path: s, key_file: s }',
      '`state.key_file: s` lies inside `state.path`: whoever copies the state has its key; move it',
    ],
  ])('%s', async (line, message) => {
    const faults = await faultsOf({ 'postern.yaml': `${POSTERN}${line}\n` })
    expect(faults.map((fault) => fault.replace(/^postern.yaml:\d+:\d+: /, ''))).toEqual([message])
  })

  test.each([
    ['addresses: []', '`backends[0].addresses` is empty; write the host and port of the old server'],
    [
      'addresses: ["mail.example.com:0"]',
      '`backends[0].addresses[0]: "mail.example.com:0"` has a port outside 1 to 65535',
    ],
    [
      'username: "ann"',
      '`backends[0].username: "ann"` would log everybody in as one user; use {user}, {local} and {domain}',
    ],
    [
      'username: "{usr}"',
      '`backends[0].username: "{usr}"` holds a placeholder that is not known; use {user}, {local} and {domain}',
    ],
    [
      "busy_errors: ['(']",
      "`backends[0].busy_errors[0]: '('` is no regular expression; test it, and put it in single quotes",
    ],
    [
      'domains: ["*.example.com"]',
      '`backends[0].domains[0]: "*.example.com"` is no domain; write it like example.com, or "*" for all',
    ],
  ])('a backend with %s', async (line, message) => {
    const text = `${POSTERN.replace(/ {4}addresses.*\n/, line.startsWith('addresses') ? '' : '$&')}    ${line}\n`
    const faults = await faultsOf({ 'postern.yaml': text })
    expect(faults.map((fault) => fault.replace(/^postern.yaml:\d+:\d+: /, ''))).toEqual([message])
  })

  test('what must be there and is not', async () => {
    expect(await faultsOf({ 'postern.yaml': 'checks: [networks]\n' })).toEqual([
      'postern.yaml:1:1: `tls` is missing',
      'postern.yaml:1:1: `backends` is missing',
    ])
  })

  test.each([
    [
      'second_factor: { required_for: enrolled }',
      '1:34: `second_factor.required_for: enrolled` needs `users.roster`: who is not known there is refused',
    ],
    [
      'second_factor: { required_for: some }',
      '1:32: `second_factor.required_for: some` is not known here; write all or enrolled',
    ],
    [
      'second_factor: { required_for: off }',
      '1:32: `second_factor.required_for: off` is not known here; write all or enrolled',
    ],
    ['second_factor: { until: soon }', '1:25: `second_factor.until: soon` is no day; write it like 2027-01-31'],
    ['second_factor: { methods: [] }', '1:27: `second_factor.methods` is empty; name a method'],
    [
      'second_factor: { not_required_from: [10.0.0.1/8] }',
      '1:38: `second_factor.not_required_from[0]: 10.0.0.1/8` has bits set behind /8; write 10.0.0.0/8 for the network or 10.0.0.1 for the one address',
    ],
    [
      'totp: { separator: ",,", window: 1 }',
      '1:20: `totp.separator: ",,"` does not fit; write "", or one character in quotes that is no digit, space or control',
    ],
    [
      'totp: { separator: "5" }',
      '1:20: `totp.separator: "5"` does not fit; write "", or one character in quotes that is no digit, space or control',
    ],
    ['totp: { window: 11 }', '1:17: `totp.window: 11` does not fit; write a whole number from 0 to 10'],
    [
      'trusted_device: { same_network: { ipv4: 33 } }',
      '1:41: `trusted_device.same_network.ipv4: 33` does not fit; write a whole number from 0 to 32',
    ],
    ['failures: { reply_after: 11s }', '1:26: `failures.reply_after: 11s` is too large; write 10s or less'],
    [
      'users: { default_domain: "ex ample" }',
      '1:26: `users.default_domain: "ex ample"` is no domain; write it like example.com',
    ],
  ])('login.yaml with %s', async (line, fault) => {
    const faults = await faultsOf({ 'login.yaml': `${line}\n` })
    expect(faults.map((one) => one.replace(/:1:\d+:/, ':'))).toEqual([`login.yaml:${fault.replace(/^1:\d+:/, '')}`])
  })
})

describe('what is allowed and yet risky is warned of', () => {
  test('nothing of the usual folder is', async () => {
    expect(await warningsOf()).toEqual([])
  })

  test.each(['10.0.0.5', '192.168.1.1', '[fd00::5]', '127.0.0.1', 'mail.example.com'])(
    'plain text to %s is not',
    async (host) => {
      expect(await warningsOf({ 'postern.yaml': POSTERN.replace('127.0.0.1', host) })).toEqual([])
    },
  )

  test('a password in plain text over public networks', async () => {
    expect(await warningsOf({ 'postern.yaml': POSTERN.replace('127.0.0.1', '203.0.113.5') })).toEqual([
      'postern.yaml:4:17: `backends[0].addresses[0]: "203.0.113.5:110"` is beyond private networks, and `tls: off` sends passwords there in plain text',
    ])
  })

  test.each([
    ['0.0.0.0/0', 'IPv4'],
    ['0.0.0.0/1\n128.0.0.0/1', 'IPv4'],
    ['0.0.0.0-255.255.255.255', 'IPv4'],
    ['::ffff:0:0/96', 'IPv4'],
    ['::/0', 'IPv6'],
  ])('a list that holds %j', async (entries, family) => {
    expect(await warningsOf({ 'lists/denied.txt': entries })).toEqual([
      `networks.yaml:1:7: \`deny\` covers all of ${family}: nobody gets in`,
    ])
  })

  test('all but one address is not all', async () => {
    expect(
      await warningsOf({ 'lists/denied.txt': '0.0.0.0-255.255.255.254\n::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' }),
    ).toEqual([])
  })

  test('an entry that has run out', async () => {
    expect(
      await warningsOf({ 'lists/denied.txt': '#\n192.0.2.1 until 2026-11-20\n192.0.2.2 until 2026-11-21' }),
    ).toEqual(['lists/denied.txt:2:1: this entry has run out; take it off the list'])
  })

  test.each([
    [
      'second_factor: { not_required_from: [10.0.0.0/8, "0.0.0.0/0"] }',
      'login.yaml:1:50: `second_factor.not_required_from[1]: "0.0.0.0/0"` is everybody: the password alone is enough',
    ],
    [
      'second_factor: { not_required_from: ["::/0"] }',
      'login.yaml:1:38: `second_factor.not_required_from[0]: "::/0"` is everybody: the password alone is enough',
    ],
    [
      'second_factor: { until: 2027-01-01 }',
      'login.yaml:1:25: `second_factor.until: 2027-01-01` says nothing unless `required_for` is enrolled',
    ],
    [
      'trusted_device: { same_network: { ipv4: 0 } }',
      'login.yaml:1:33: `trusted_device.same_network` is wide: a string with a used code works far from its device',
    ],
  ])('%s', async (line, warning) => {
    expect(await warningsOf({ 'login.yaml': `${line}\n` })).toEqual([warning])
  })

  test('an idle time below that of RFC 1939, and a backend that is never asked', async () => {
    const second = '  - { name: b, domains: [example.com], addresses: ["10.0.0.1:110"] }\nlimits: { idle_time: 5m }\n'
    expect(await warningsOf({ 'postern.yaml': `${POSTERN}${second}` })).toEqual([
      'postern.yaml:5:26: `backends[1].domains[0]: example.com` never counts: a backend above takes it',
      'postern.yaml:6:22: `limits.idle_time: 5m` is shorter than the 10m that RFC 1939 asks for',
    ])
  })

  test('a folder and files that others may write, and keys that others may read', async () => {
    const folder = await folderOf({
      'keys/master.key': 'x',
      'postern.yaml': `${POSTERN}state: { key_file: keys/master.key }\n`,
    })
    await chmod(folder, 0o770)
    await chmod(join(folder, 'login.yaml'), 0o606)
    await chmod(join(folder, 'keys/master.key'), 0o640)
    await chmod(join(folder, 'tls/key.pem'), 0o644)
    expect((await loadFolder(folder)).warnings).toEqual([
      `postern.yaml:1:1: the folder ${folder} can be written by others than its owner; chmod go-w ${folder}`,
      'postern.yaml:1:23: tls/key.pem can be read by others than its owner; chmod 600 tls/key.pem',
      'postern.yaml:5:20: `state.key_file: keys/master.key` can be read by others than its owner; chmod 600 keys/master.key',
      'login.yaml:1:1: the file can be written by everybody; chmod o-w login.yaml',
    ])
  })

  test('a key file that a link leads into the state is seen', async () => {
    const folder = await folderOf({ 'postern.yaml': `${POSTERN}state: { path: state, key_file: keys/master.key }\n` })
    await mkdir(join(folder, 'state'))
    await symlink('state', join(folder, 'keys'))
    expect(await loadFolder(folder)).toMatchObject({
      ok: false,
      faults: [expect.stringContaining('lies inside `state.path`')],
    })
  })

  test('a certificate that runs out within warn_before_expiry', async () => {
    const made = await pair({ to: NOW + 29 * DAY })
    const files = { 'tls/cert.pem': made.cert, 'tls/key.pem': made.key }
    expect(await warningsOf(files)).toEqual(['postern.yaml:1:23: tls/cert.pem runs out on 2026-12-20; renew it'])
    const shorter = POSTERN.replace('tls: {', 'tls: { warn_before_expiry: 28d,')
    expect(await warningsOf({ ...files, 'postern.yaml': shorter })).toEqual([])
  })
})

describe('certificates', () => {
  test('at start a pair that does not fit is a fault', async () => {
    const { key } = await pair()
    expect(await faultsOf({ 'tls/key.pem': key })).toEqual([
      'postern.yaml:1:23: tls/cert.pem and tls/key.pem do not belong together; put the key there that this certificate was made for',
    ])
  })

  test('at a reload the last good pair goes on, and the bad one is told of', async () => {
    const folder = await folderOf()
    const first = await loadFolder(folder)
    if (!first.ok) throw new Error(first.faults.join())
    const { key } = await pair()
    await writeFile(join(folder, 'tls/key.pem'), key)
    const second = await loadFolder(folder, {}, { lastGood: first.policies.certificates })
    if (!second.ok) throw new Error(second.faults.join())
    expect(second.policies.certificates).toEqual(first.policies.certificates)
    expect(second.policies.rejected).toEqual([
      { name: 'tls/cert.pem', reason: expect.stringContaining('do not belong together') as string },
    ])
    expect(second.warnings).toEqual([expect.stringMatching(/do not belong together.*; the last good pair goes on$/)])
  })

  test('at a reload a pair that has run out does not take the place of one that has not', async () => {
    const folder = await folderOf()
    const first = await loadFolder(folder)
    if (!first.ok) throw new Error(first.faults.join())
    const old = await pair({ to: NOW - 1 })
    await writeFile(join(folder, 'tls/cert.pem'), old.cert)
    await writeFile(join(folder, 'tls/key.pem'), old.key)
    const second = await loadFolder(folder, {}, { lastGood: first.policies.certificates })
    if (!second.ok) throw new Error(second.faults.join())
    expect(second.policies.certificates).toEqual(first.policies.certificates)
    expect(second.policies.rejected).toEqual([
      { name: 'tls/cert.pem', reason: expect.stringMatching(/tls\/cert\.pem ran out/) as string },
    ])
  })

  test('at a reload a pair that was never good is a fault', async () => {
    const { policies } = await good()
    const { key } = await pair()
    const faults = await faultsOf({ 'tls/key.pem': key }, {}, { lastGood: policies.certificates })
    expect(faults).toHaveLength(1)
  })
})

test('every file is accounted for, with the hash of its content', async () => {
  const folder = await folderOf({
    'login.yaml': 'users: { roster: lists/users.txt }',
    'lists/users.txt': 'ann@example.com ann\n',
  })
  const loaded = await loadFolder(folder)
  expect(loaded.files.map(({ path, kind }) => [relative(folder, path), kind])).toEqual([
    ['postern.yaml', 'policy'],
    ['login.yaml', 'policy'],
    ['tls/cert.pem', 'certificate'],
    ['tls/key.pem', 'key'],
    ['lists/users.txt', 'list'],
    ['networks.yaml', 'policy'],
    ['lists/denied.txt', 'list'],
  ])
  for (const file of loaded.files) {
    expect(file.sha256).toBe(
      createHash('sha256')
        .update(await readFile(file.path))
        .digest('hex'),
    )
  }
  await rename(join(folder, 'lists/denied.txt'), join(folder, 'lists/old.txt'))
  await writeFile(join(folder, 'lists/denied.txt'), '192.0.2.0/24\n')
  const again = await loadFolder(folder)
  const changed = loaded.files.filter((file, i) => file.signature !== again.files[i]?.signature)
  expect(changed.map(({ path }) => relative(folder, path))).toEqual(['lists/denied.txt'])
})

test('paths are told as the operator typed them, and names start from the folder of the file', async () => {
  const folder = await folderOf({ 'postern.yaml': `${POSTERN}state: { path: ../state }\n`, 'lists/denied.txt': null })
  const typed = relative(process.cwd(), join(folder, 'postern.yaml'))
  const loaded = await loadPolicies(typed, {}, { now: NOW })
  const near = relative(process.cwd(), folder)
  expect(loaded).toMatchObject({
    ok: false,
    faults: [
      `${near}/networks.yaml:1:8: \`deny[0]\`: ${near}/lists/denied.txt is not there; mend it, or take it off this list`,
    ],
  })
  await mkdir(join(folder, 'lists'), { recursive: true })
  await writeFile(join(folder, 'lists/denied.txt'), '')
  const second = await loadPolicies(typed, {}, { now: NOW })
  expect(second.ok && second.policies.postern.state).toMatchObject({
    path: join(folder, '../state'),
    key_file: { from: 'file', path: join(folder, '../keys/master.key') },
  })
  await rm(folder, { recursive: true })
})

test('the roster maps every spelling to the canonical name', async () => {
  const { policies } = await good({
    'login.yaml': `${LOGIN}users: { default_domain: Example.com, strip_prefix: ['CORP\\'], roster: lists/users.txt }\n`,
    'lists/users.txt': '# staff\nAnn@example.com ann.smith\t corp\\a.s # away\n\nbob\r\n',
  })
  expect(policies.roster).toEqual(
    new Map([
      ['ann@example.com', 'ann@example.com'],
      ['ann.smith@example.com', 'ann@example.com'],
      ['a.s@example.com', 'ann@example.com'],
      ['bob@example.com', 'bob@example.com'],
    ]),
  )
})

test('a roster with a name twice, or of strange signs, is refused by line', async () => {
  const faults = await faultsOf({
    'login.yaml': 'users: { default_domain: example.com, roster: lists/users.txt }',
    'lists/users.txt': 'ann@example.com ann2\nbob  ANN\n  c<arl>\nd\u200bave\n\u212aate\n@\nx ann2@EXAMPLE.com\n',
  })
  expect(faults).toEqual([
    'lists/users.txt:2:6: `ANN` stands in line 1 already',
    'lists/users.txt:3:3: `c<arl>` is no user name; see `users` in login.yaml',
    'lists/users.txt:4:1: `d\\u{200b}ave` is no user name; see `users` in login.yaml',
    'lists/users.txt:5:1: `\\u{212a}ate` is no user name; see `users` in login.yaml',
    'lists/users.txt:6:1: `@` is no user name; see `users` in login.yaml',
    'lists/users.txt:7:3: `ann2@EXAMPLE.com` stands in line 1 already',
  ])
})
