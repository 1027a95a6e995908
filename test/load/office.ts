/**
 * `npm run bench -- office [DAYS]`: thirty days of an office against the judgement of logins itself, with a clock that is turned.
 *
 * 300 people sit behind two addresses, a third of them with a phone besides, and 50 travel. Their programs poll every five minutes
 * with what was typed last. Mornings find all trust run out; on Mondays 20 people mistype; ten a week change their password at the
 * old server; one laptop was left at home, polls on, and is never touched again. Three attackers work from the second day on: one guesses at
 * one person, one tries everybody from one address, one knows a password and guesses codes from 200 networks.
 *
 * A good login is one that is right: the password of now with a fresh code, or the string that this very device typed less than
 * twelve hours ago while the password stayed the same. Whatever else the programs send has a cause of its own to be refused.
 */
import { backend, createWorld, HOUR, policyOf, type Place, type World } from '../support/login-world.ts'
import { printTable } from './table.ts'

const TICK_MS = 300_000
const TICKS_A_DAY = 288
const TRUST_MS = 12 * HOUR
const [OFFICE, PHONES, TRAVELLERS] = [300, 100, 50]
const [MISTYPED, CHANGED] = [20, 10]

type Person = { name: string; password: string; changedAt: number; mistypes: number; code: number }
type Device = {
  person: Person
  from(day: number): Place
  /** When its owner sees what it asks for: hours of the day. */
  awake: [number, number]
  workdays: boolean
  typed: { string: string; password: string; at: number; where: string } | null
  /** The tick from which its owner types a new code; null: nothing was asked for. */
  answersAt: number | null
}
type Attacker = {
  name: string
  tries: number
  judged: number
  unlocked: Set<number>
  in: number
  act(tick: number): { user: string; string: string; from: Place }[]
}

/** A generator of its own, so that every run is the same month. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
const roll = dice(4_711)

/** Plays the month and prints what became of whom. */
export async function run([days = '30']: string[]): Promise<void> {
  const world = createWorld(policyOf({ backends: [backend({ max_sessions: 10_000 })] as never }))
  const people = Array.from({ length: OFFICE + TRAVELLERS }, (_, i) => newPerson(i))
  for (const { name } of people) await world.enroll(name)
  const devices = devicesOf(people)
  const attackers = attackersOf(people)
  const sum = { good: 0, goodRefused: new Map<string, number>(), bad: 0, badIn: 0, owned: new Map<string, number>() }
  const started = performance.now()
  for (let tick = 0; tick < Number(days) * TICKS_A_DAY; tick++) {
    if (tick % TICKS_A_DAY === 0) newDay(people, tick / TICKS_A_DAY, world.now())
    await Promise.all(devices.map((device) => turn(world, device, tick, sum)))
    // From the second day on: on the first nobody has been seen anywhere yet.
    if (tick >= TICKS_A_DAY) await Promise.all(attackers.map((attacker) => attack(world, attacker, tick)))
    world.events.length = 0
    world.asked.length = 0
    world.opened.length = 0
    world.pass(TICK_MS)
  }
  const seconds = (performance.now() - started) / 1_000
  world.end()
  const told = (reasons: Map<string, number>) => [...reasons].map(([why, count]) => `${why} ${count}`).join(', ') || '-'
  printTable(
    `${days} days of ${people.length} people and ${devices.length} programs (${Math.round(seconds)} s)`,
    ['', 'count', 'refused', 'why'],
    [
      ['good logins', String(sum.good), String(total(sum.goodRefused)), told(sum.goodRefused)],
      ['logins with a cause of their own', String(sum.bad), String(total(sum.owned)), told(sum.owned)],
      ['of those let in', String(sum.badIn), '', ''],
    ],
  )
  printTable(
    'Attackers',
    ['', 'tries', 'judged', 'judged a day', 'let in', 'share of ticks in which one was judged'],
    attackers.map(({ name, tries, judged, unlocked, in: got }) => {
      const share = (unlocked.size / ((Number(days) - 1) * TICKS_A_DAY)) * 100
      return [
        name,
        String(tries),
        String(judged),
        (judged / (Number(days) - 1)).toFixed(1),
        String(got),
        `${share.toFixed(2)} %`,
      ]
    }),
  )
  if (total(sum.goodRefused) > 0 || sum.badIn > 0 || attackers.some((one) => one.in > 0)) process.exitCode = 1
}

/** A connection of its own: in and out again. Gives `welcome`, or why not. The old server takes the `right` password alone. */
async function login(world: World, user: string, string: string, from: Place, right: string): Promise<string> {
  const { session, answer } = await world.authenticate(user, string, from)
  const isRight = answer.say === 'proceed' && answer.password.toString() === right
  const settled = answer.say === 'proceed' && (await world.settle({ session, answer }, isRight ? 'proven' : 'refuted'))
  const failure = world.events.findLast(
    (event) => event.action === 'login-failed' && event.connection.session === session,
  )
  world.judge.release(session)
  if (settled !== false && settled.say === 'welcome') return 'welcome'
  return failure?.action === 'login-failed' ? failure.reason : 'trouble'
}

const total = (counts: Map<string, number>) => [...counts.values()].reduce((all, one) => all + one, 0)

function newPerson(i: number): Person {
  return { name: `person${i}@example.com`, password: `mailbox-${i}-0`, changedAt: 0, mistypes: 0, code: -1 }
}

function devicesOf(people: Person[]): Device[] {
  const device = (person: Person, from: Device['from'], awake: [number, number], workdays: boolean): Device => {
    return { person, from, awake, workdays, typed: null, answersAt: 0 }
  }
  const programs = ['outlook', 'thunderbird', 'apple-mail']
  const all = people.map((person, i) => {
    const client = programs[i % programs.length] ?? ''
    if (i < OFFICE) return device(person, () => ({ ip: `203.0.113.${5 + (i % 2)}`, client }), [8, 17], true)
    // Another town every three days.
    const abroad = (day: number) => ({ ip: `198.18.${(i * 7 + Math.floor(day / 3)) % 256}.${10 + (i % 100)}`, client })
    return device(person, abroad, [7, 23], false)
  })
  const phones = people.slice(0, PHONES).map((person, i) => {
    return device(person, () => ({ ip: `100.64.${i}.20`, client: 'phone' }), [7, 22], false)
  })
  const [first] = people
  if (first === undefined) return all
  const laptop = device(first, () => ({ ip: '192.0.2.77', client: 'laptop' }), [8, 9], false)
  return [...all, ...phones, { ...laptop, answersAt: 8 * 12 }]
}

/** Midnight: who mistypes today, and who changes the password. Day 0 is a Monday. */
function newDay(people: Person[], day: number, now: number): void {
  if (day % 7 !== 0) return
  for (let i = 0; i < MISTYPED; i++) pick(people).mistypes = 1
  for (let i = 0; i < CHANGED; i++) {
    const person = pick(people)
    person.password = `${person.password.replace(/\d+$/, '')}${day + 1}`
    // In the middle of the working day.
    person.changedAt = now + 13 * HOUR
  }
}

const pick = <T>(from: T[]): T => from[roll(from.length)] as T

type Sums = { good: number; goodRefused: Map<string, number>; bad: number; badIn: number; owned: Map<string, number> }

/** One poll of one program, or its owner typing what it asks for. */
async function turn(world: World, device: Device, tick: number, sum: Sums): Promise<void> {
  const day = Math.floor(tick / TICKS_A_DAY)
  const from = device.from(day)
  const typing = device.answersAt !== null && tick >= device.answersAt && isAwake(device, tick)
  // Nobody types one code into two programs.
  if (typing && device.person.code !== tick) return await type(world, device, from, tick, sum)
  if (device.typed === null) return
  const { string, password, at, where } = device.typed
  const right = passwordOf(device.person, world.now())
  const good = world.now() - at < TRUST_MS && password === right && where === from.ip
  const said = await login(world, device.person.name, string, from, right)
  count(sum, good, said)
  if (said !== 'welcome' && device.answersAt === null && !isAbandoned(device)) device.answersAt = tick + 1 + roll(11)
}

/** The laptop at home: after the first morning nobody looks at it any more. */
const isAbandoned = (device: Device) => device.from(0).client === 'laptop'

function isAwake({ awake: [from, to], workdays }: Device, tick: number): boolean {
  const day = Math.floor(tick / TICKS_A_DAY) % 7
  const hour = (tick % TICKS_A_DAY) / 12
  return hour >= from && hour < to && !(workdays && day >= 5)
}

/** The old password until the hour of the change. */
function passwordOf({ password, changedAt }: Person, now: number): string {
  return now >= changedAt ? password : password.replace(/\d+$/, (digits) => `${digits}-before`)
}

async function type(world: World, device: Device, from: Place, tick: number, sum: Sums): Promise<void> {
  const { person } = device
  person.code = tick
  const right = passwordOf(person, world.now())
  if (person.mistypes > 0) {
    person.mistypes--
    const wrong =
      roll(2) === 0
        ? `${right.slice(0, -1)}x${world.code(person.name)}`
        : `${right}${String(roll(1e6)).padStart(6, '0')}`
    return count(sum, false, await login(world, person.name, wrong, from, right))
  }
  const string = right + world.code(person.name)
  const said = await login(world, person.name, string, from, right)
  count(sum, true, said)
  if (said !== 'welcome') return
  device.typed = { string, password: right, at: world.now(), where: from.ip }
  device.answersAt = null
}

function count(sum: Sums, good: boolean, said: string): void {
  if (good) sum.good++
  else sum.bad++
  if (!good && said === 'welcome') sum.badIn++
  if (said === 'welcome') return
  const reasons = good ? sum.goodRefused : sum.owned
  reasons.set(said, (reasons.get(said) ?? 0) + 1)
}

function attackersOf(people: Person[]): Attacker[] {
  const attacker = (name: string, act: Attacker['act']): Attacker => {
    return { name, tries: 0, judged: 0, unlocked: new Set(), in: 0, act }
  }
  const code = () => String(roll(1_000_000)).padStart(6, '0')
  const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))
  const [, victim, known] = people
  return [
    attacker('guesses at one person from one address', () =>
      times(5, () => ({
        user: victim?.name ?? '',
        string: `guess${roll(1e9)}${code()}`,
        from: { ip: '192.0.2.200', client: 'bot' },
      })),
    ),
    attacker('tries everybody from one address', (tick) =>
      times(10, (i) => ({
        user: people[(tick * 10 + i) % people.length]?.name ?? '',
        string: `Password1${code()}`,
        from: { ip: '198.51.100.66', client: 'bot' },
      })),
    ),
    attacker('knows a password, from 200 networks', (tick) =>
      times(20, (i) => ({
        user: known?.name ?? '',
        string: (known?.password ?? '') + code(),
        from: { ip: `10.${(tick * 20 + i) % 200}.1.1`, client: 'bot' },
      })),
    ),
  ]
}

async function attack(world: World, attacker: Attacker, tick: number): Promise<void> {
  for (const { user, string, from } of attacker.act(tick)) {
    attacker.tries++
    const said = await login(world, user, string, from, string.slice(0, -6))
    if (said === 'welcome') attacker.in++
    if (said === 'locked' || said === 'stale-repeat') continue
    attacker.judged++
    attacker.unlocked.add(tick)
  }
}
