/** What a login would need: the facts of `explain IP --user U`. */
import { type Address, networkOf } from '../base/ip.ts'
import { stateFrom } from '../factors/kept-app-password.ts'
import { exceptionFor } from '../keeper/exceptions.ts'
import { backendFor, canonicalName } from '../keeper/identity.ts'
import { loginPolicyOf } from '../keeper/in-force.ts'
import type { LoginPolicy } from '../keeper/login-policy.ts'
import { withTravels } from '../keeper/travel.ts'
import { demandOf } from '../keeper/second-factor.ts'
import type { Policies } from '../policy/load.ts'
import type { Lock } from '../state/store.ts'
import type { Peeked, PeekedLocks } from '../state/peek.ts'
import { rulingsOf, type Ruling } from './explain-rules.ts'
import type { Explanation } from './explanation.ts'

/** `needs`: words for what the person has to type, or why nothing helps. Facts come in the order they are judged in. */
export type LoginExplanation = { user: string; allowed: boolean; facts: string[]; needs: string }

export type LoginQuestion = {
  user: string
  address: Address
  at: number
  /** Stable TLS fingerprint, as `user show --json` has it. */
  fingerprint: string | null
  gate: Explanation
  store: Peeked | null
  /** What guessing has locked; null where no store can be seen. */
  locks: PeekedLocks | null
}

/** Gives the canonical name, or null for one that nobody has. */
export function nameOf(policies: Policies, user: string): string | null {
  return canonicalName(Buffer.from(user), loginPolicyOf(policies).users)
}

/** Needs policies without a fault, and what the store has of the user. */
export function explainLogin(policies: Policies, question: LoginQuestion): LoginExplanation {
  const { user, store, at } = question
  const policy = withTravels(loginPolicyOf(policies), store?.travels ?? [])
  const name = nameOf(policies, user)
  const facts: string[] = []
  const bar = name === null ? noName(policies) : barOf(policy, name, question, facts)
  if (name === null || bar !== null) {
    return { user: name ?? user, allowed: false, facts, needs: `nothing helps: ${bar ?? ''}` }
  }
  const { country } = question.gate
  const isTraveller = (code: string) => exceptionFor(policy.exceptions, name, code, at) !== null
  const rulings = rulingsOf(policies, policy, { ...question, name, country, isTraveller })
  facts.push(...rulings.flatMap(({ listeners, fact }) => (fact === null ? [] : [`${onListeners(listeners)}${fact}`])))
  const trust = trustWords(policies, question)
  const apps = store?.user?.state === 'frozen' ? [] : appPasswordsAt(question)
  facts.push(`state ${store?.user?.state ?? 'none'}`, ...(trust === null ? [] : [trust]))
  facts.push(...apps.map((app) => `app password '${app.name}': ${APP_WORDS[app.at]}`))
  const withApps = rulings.some((ruling) => ruling.bar === null && hasApp(ruling.policy, question))
  const lock = lockOf(question, facts, withApps)
  if (lock !== null) return { user: name, allowed: withApps, facts, needs: lock }
  const words = rulings.map((ruling) => ({ ...wordsUnder(ruling, question), where: onListeners(ruling.listeners) }))
  const needs = words.map((one) => `${one.where}${one.needs}`).join('; ')
  return { user: name, facts, allowed: words.some(({ allowed }) => allowed), needs }
}

const APP_WORDS: Record<ReturnType<typeof stateFrom>, string> = {
  good: 'works from there',
  elsewhere: 'does not work from this network',
  pending: 'works after the next login with a code',
  expired: 'has expired',
}

function appPasswordsAt({ store, address, at }: LoginQuestion) {
  return (store?.appPasswords ?? []).map((row) => ({ name: row.name, at: stateFrom(row, address.text, at) }))
}

function withApp(words: Needs, works: boolean): Needs {
  if (!works) return words
  return { allowed: true, needs: words.allowed ? `${words.needs}; or an app password` : 'an app password' }
}

const onListeners = (names: string[]) => (names.length === 0 ? '' : `on ${names.join(', ')}: `)

function wordsUnder({ policy, bar }: Ruling, question: LoginQuestion): Needs {
  if (bar !== null) return { allowed: false, needs: 'nothing helps: a rule of login.yaml shuts this address out' }
  const demand = demandOf(policy, question.store?.user ?? null, question.address.text, question.at)
  const { methods } = policy.second_factor
  return withApp(wordsWithout(methods, demand), hasApp(policy, question))
}

function hasApp({ second_factor: { methods } }: LoginPolicy, question: LoginQuestion): boolean {
  if (question.store?.user?.state === 'frozen' || !methods.includes('app_password')) return false
  return appPasswordsAt(question).some((app) => app.at === 'good')
}

/** What an app password aside is asked for. */
function wordsWithout(methods: readonly string[], demand: ReturnType<typeof demandOf>): Needs {
  if (demand === 'frozen' || demand === 'password') return wordsFor(demand)
  const certificate = methods.includes('client_certificate')
  if (!methods.includes('totp')) {
    if (demand === 'either') return wordsFor('password')
    return {
      allowed: certificate,
      needs: certificate ? 'a client certificate and the password' : `a method that is not totp: ${methods.join(', ')}`,
    }
  }
  return wordsFor(demand)
}

type Needs = { allowed: boolean; needs: string }

function noName({ roster }: Policies): string {
  return roster === null ? 'this is no user name' : 'the roster does not name this user'
}

/** What shuts a user out before anybody asks for a code; null when nothing does. */
function barOf(policy: LoginPolicy, name: string, { gate, at, store }: LoginQuestion, facts: string[]): string | null {
  facts.push(`user ${name}${policy.users.roster === null ? '' : ', on the roster'}`)
  const backend = backendFor(name, policy.backends)
  if (backend === null) return 'no backend serves this domain'
  facts.push(`backend ${backend.name}`)
  if (gate.gate.verdict === 'denied') return 'the gate denies the address'
  const journey = store?.travels.find(({ user, until }) => user === name && at < until)
  if (journey !== undefined)
    facts.push(`travels to ${journey.countries.join(', ')} until ${new Date(journey.until).toISOString()}`)
  if (gate.gate.verdict !== 'login') return null
  const exception = exceptionFor(policy.exceptions, name, gate.country, at)
  if (exception === null) return 'no exception names this user for this country'
  facts.push(`exception for ${gate.country ?? '?'} until ${new Date(exception.until).toISOString()}`)
  return null
}

function wordsFor(demand: ReturnType<typeof demandOf>): Needs {
  switch (demand) {
    case 'frozen':
      return { allowed: false, needs: 'nothing helps: the user is frozen' }
    case 'unknown':
      return { allowed: false, needs: 'nothing helps: the user is not enrolled' }
    case 'password':
      return { allowed: true, needs: 'the password alone' }
    case 'either':
      return { allowed: true, needs: 'the password alone, or the password and a code' }
    case 'code':
      return {
        allowed: true,
        needs: 'the password and the code of the moment, or the string that a trusted device used before',
      }
  }
}

/** Says which locks stand, and gives what holds this login back, or null. */
function lockOf({ locks: seen }: LoginQuestion, facts: string[], withApps: boolean): string | null {
  if (seen === null) return null
  const { locks, known } = seen
  facts.push(known ? 'this user was proven from this network within 30 days' : 'this user is new in this network')
  const until = (lock: Lock) => new Date(lock.until).toISOString()
  for (const lock of locks) {
    const whom =
      lock.user === '' ? `everybody from ${lock.place}` : `this user from ${lock.place || 'strange networks'}`
    const spared = lock.kind !== 'user' && known ? ', but not for this user' : ''
    facts.push(`locked: ${whom} until ${until(lock)}${spared}`)
  }
  const held = locks.find(({ kind }) => kind === 'user' || !known)
  if (held === undefined) return null
  return `nothing but ${withApps ? 'an app password or ' : ''}a trusted device helps until ${until(held)}, or: postern lock clear ${held.user || held.place}`
}

function trustWords({ login }: Policies, { address, at, fingerprint, store }: LoginQuestion): string | null {
  const { trusted_device: rules } = login
  if (rules.for === null) return 'no device is trusted: `trusted_device.for` is off'
  const network = networkOf(address, rules.same_network)
  const near = (store?.trusted ?? []).filter((row) => row.network === network)
  const live = near.filter(({ expires }) => at < expires)
  if (near.length === 0) return `no trusted device in ${network}`
  if (fingerprint === null || !rules.same_client) return `${live.length} trusted in ${network}`
  const same = live.find((row) => row.fingerprint === fingerprint)
  return same === undefined
    ? `no device with this fingerprint is trusted in ${network}`
    : `this device is trusted until ${new Date(same.expires).toISOString()}`
}
