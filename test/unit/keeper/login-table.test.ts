/** Plays `login-table.txt` row by row. A state is a world, ready for one login. */
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { AWAY, createWorld, factorsOf, HOME, HOME_OTHER_CLIENT, HOUR, OFFICE, policyOf, type Place, type World } from '../../support/login-world.ts' // prettier-ignore
import { addAppPassword, revokeAppPassword } from '../../../src/keeper/app-passwords.ts'
import { makeTempCode } from '../../../src/keeper/helpdesk.ts'
import type { LoginPolicy } from '../../../src/keeper/login-policy.ts'
import type { SettleAnswer } from '../../../src/keeper/messages.ts'

const MINUTE = 60_000
/** What a state leaves for the words of `typed`. */
type Scene = {
  world: World
  stored: string
  recovery: string[]
  user?: string
  down?: boolean
  password: string
  app?: string
  temp?: string
}
type Make = () => Promise<Scene>

const worlds: World[] = []
afterEach(() => {
  for (const world of worlds.splice(0)) {
    expect(world.broken).toEqual([])
    world.end()
  }
})

async function scene(policy: LoginPolicy = policyOf(), enrol = true): Promise<Scene> {
  const world = createWorld(policy)
  worlds.push(world)
  const recovery = enrol ? (await world.enroll('ann')).recovery_codes : []
  return { world, stored: '', recovery, password: 'secret' }
}

/** Proven from home with a code and with a recovery code, a minute ago. */
async function trusting(policy: LoginPolicy = policyOf()): Promise<Scene> {
  const made = await scene(policy)
  const { world, recovery } = made
  const stored = `secret${world.code('ann')}`
  expect(await world.login('ann', stored, HOME)).toBe('welcome')
  expect(await world.login('ann', `secret${recovery[9]}`, HOME_OTHER_CLIENT)).toBe('welcome')
  world.pass(MINUTE)
  return { ...made, stored }
}

async function after(make: Promise<Scene>, change: (made: Scene) => unknown): Promise<Scene> {
  const made = await make
  await change(made)
  return made
}

async function fail(world: World, times: number, at: Place, user = 'ann'): Promise<void> {
  for (let n = 0; n < times; n++) await world.login(user, `guess${n} ${at.ip}`, at)
}

const roster = new Map([['ann', 'ann'], ['bob', 'bob']]) // prettier-ignore
const rolling = policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' } })
const atOffice = policyOf({ second_factor: { not_required_from: (ip) => ip === OFFICE.ip } })
const down = (made: Scene) => {
  made.world.down.add('old')
  made.down = true
}

const methods = (...names: LoginPolicy['second_factor']['methods']) =>
  policyOf({ second_factor: { methods: names }, asking: ['outside'] as never })
const ALL = methods('totp', 'app_password', 'client_certificate')

/** An app password that holds the mailbox password, good from everywhere or from these networks. */
async function withApp(policy = ALL, networks = 'any'): Promise<Scene> {
  const made = await trusting(policy)
  const wanted = { user: 'ann', name: 'scanner', networks, expires: null, password: btoa('secret') }
  return { ...made, app: (await addAppPassword(made.world.users, wanted)).app_password }
}

async function withTemp(): Promise<Scene> {
  const made = await trusting()
  return { ...made, temp: (await makeTempCode(made.world.users, 'ann', '1h')).code }
}

const STATES: Record<string, Make> = {
  enrolled: () => scene(),
  trusting: () => trusting(),
  'trusting-bare': () => trusting(policyOf({ trusted_device: { accept: 'repeated_or_bare' } })),
  expired: () => after(trusting(), ({ world }) => { world.pass(13 * HOUR) }), // prettier-ignore
  // The password was changed at the old server, and the trusted device has tried the old one since.
  changed: () =>
    after(trusting(), async (made) => {
      made.password = 'changed'
      expect(await made.world.login('ann', made.stored, HOME, 'changed')).toBe('password-wrong')
    }),
  frozen: () => after(trusting(), ({ world }) => world.store.freeze('ann', { at: world.now(), reason: 'x' })),
  unknown: async () => ({ ...(await scene()), user: 'nobody' }),
  'on-roster': () => scene(rolling, false),
  pending: () => scene(rolling),
  'pending-too-long': () => after(scene(rolling), ({ world }) => { world.pass(14 * 24 * HOUR) }), // prettier-ignore
  'off-roster': async () => ({ ...(await scene(rolling)), user: 'nobody' }),
  'roster-down': () => after(scene(rolling, false), down),
  'off-roster-down': async () => ({ ...(await after(scene(rolling), down)), user: 'nobody' }),
  'enrolled-down': () => after(trusting(rolling), down),
  'office-enough': () => trusting(atOffice),
  'refused-before': () => after(scene(), ({ world }) => world.login('ann', 'secret', AWAY)),
  'refused-restart': () =>
    after(scene(), async ({ world }) => {
      await world.login('ann', 'secret', AWAY)
      world.restart()
    }),
  'locked-away': () => after(trusting(), ({ world }) => fail(world, 10, AWAY)),
  'locked-home': () => after(trusting(), ({ world }) => fail(world, 10, HOME_OTHER_CLIENT)),
  'address-locked': () => after(trusting(), ({ world }) => fail(world, 20, AWAY, 'nobody')),
  'known-and-locked': () => after(trusting(), ({ world }) => fail(world, 30, HOME, 'nobody')),
  app: () => withApp(),
  'app-at-home': () => withApp(ALL, '192.0.2.0/24'),
  'app-and-locked': () => after(withApp(), ({ world }) => fail(world, 10, AWAY)),
  'app-and-frozen': () => after(withApp(), ({ world }) => world.store.freeze('ann', { at: world.now(), reason: 'x' })),
  'app-not-named': () => withApp(methods('totp')),
  'app-alone': () => after(withApp(), ({ world }) => { world.policy = methods('app_password') }), // prettier-ignore
  'app-revoked': () => after(withApp(), ({ world }) => revokeAppPassword(world.users, 'ann', 'scanner')),
  'app-grown-old': () => after(withApp(), (made) => { made.password = 'changed' }), // prettier-ignore
  temp: () => withTemp(),
  'temp-used': () =>
    after(withTemp(), async ({ world, temp }) => {
      expect(await world.login('ann', `secret${temp}`, AWAY)).toBe('welcome')
    }),
  'temp-too-late': () => after(withTemp(), ({ world }) => { world.pass(2 * HOUR) }), // prettier-ignore
  certified: () => scene(ALL),
  'certificate-alone': () => scene(methods('client_certificate')),
  everywhere: () =>
    after(trusting(), async ({ world }) => {
      for (let n = 0; n < 5; n++) await fail(world, 10, { ip: `10.0.${n}.1`, client: `tool ${n}` })
    }),
}

const showing = (user: string, verdict = 'good'): Place => {
  return { ...HOME, certificate: { verdict, users: [user], fingerprint: 'f'.repeat(64), serial: '0A' } }
}
const PLACES: Record<string, Place> = {
  home: HOME,
  'home-phone': HOME_OTHER_CLIENT,
  away: AWAY,
  office: OFFICE,
  'own-cert': showing('ann'),
  'cert-of-bob': showing('bob'),
  'cert-revoked': showing('ann', 'CERT_REVOKED'),
}

function typedOf({ world, stored, recovery, password, app, temp }: Scene, words: string): string {
  const code = (steps: number) => world.code('ann', steps)
  const isCode = (digits: string) => recovery.length > 0 && [-1, 0, 1].some((step) => code(step) === digits)
  const known: Record<string, () => string> = {
    PW: () => password,
    BAD: () => 'mistyped',
    OLDPW: () => 'secret',
    CODE: () => code(0),
    WRONGCODE: () => ['000000', '000001', '000002', '000003'].find((one) => !isCode(one)) ?? '',
    OLDCODE: () => code(-4),
    'NEXT+2': () => code(2),
    STORED: () => stored,
    RECOVERY: () => recovery[3] ?? '',
    SPENT: () => recovery[9] ?? '',
    CRLF: () => '\r\n',
    APP: () => app ?? '',
    OTHERAPP: () => 'abcd efgh ijkl mnop',
    TEMP: () => temp ?? '',
  }
  return words.split(/\+(?!2)/).map((word) => (word === '' ? '' : word in known ? known[word]?.() : expect.fail(word))).join('') // prettier-ignore
}

type Row = { user: string; typed: string; from: string; reply: string; heard: string; audit: string }
const HEAD = ['user', 'typed', 'from', 'reply', 'heard', 'audit'] as const
const text = readFileSync(new URL('login-table.txt', import.meta.url), 'utf8')
const rows = text
  .split('\n')
  .filter((line) => line.split('|').length === HEAD.length)
  .slice(1)
  .map((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    return Object.fromEntries(HEAD.map((name, i) => [name, cells[i] ?? ''])) as Row
  })

async function play(made: Scene, row: Row): Promise<Omit<Row, 'user' | 'typed' | 'from'>> {
  const { world, user = 'ann', down: isDown, password } = made
  const from = PLACES[row.from] ?? expect.fail(`nobody knows the place ${row.from}`)
  for (const list of [world.events, world.asked]) list.length = 0
  const tried = await world.authenticate(user, typedOf(made, row.typed), from)
  let answer: SettleAnswer | typeof tried.answer = tried.answer
  if (tried.answer.say === 'proceed') {
    const right = tried.answer.password.toString() === password
    answer = await world.settle(tried, isDown === true ? 'unavailable' : right ? 'proven' : 'refuted')
  }
  const said = [...world.reasons(), ...factorsOf(world)]
  return { reply: answer.say, heard: world.asked.join() || '-', audit: said.join() }
}

test.each(rows)('$user: $typed from $from -> $reply, $heard, $audit', async (row) => {
  const made = await (STATES[row.user] ?? (() => expect.fail(`nobody builds the state ${row.user}`)))()
  const heard = row.heard.split('/').map((part, i) => (i === 0 ? part : typedOf(made, part))).join('/') // prettier-ignore
  expect(await play(made, row)).toEqual({ reply: row.reply, heard, audit: row.audit })
})

test('the table is read, and every state has its row', () => {
  expect(rows.length).toBeGreaterThan(60)
  expect(new Set(rows.map(({ user }) => user))).toEqual(new Set(Object.keys(STATES)))
})
