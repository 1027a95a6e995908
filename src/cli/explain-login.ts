/** What a login would need: the facts of `explain IP --user U`. */
import { type Address, networkOf } from '../base/ip.ts'
import { exceptionFor } from '../keeper/exceptions.ts'
import { backendFor, canonicalName } from '../keeper/identity.ts'
import { loginPolicyOf } from '../keeper/in-force.ts'
import type { LoginPolicy } from '../keeper/login-policy.ts'
import { withTravels } from '../keeper/travel.ts'
import { demandOf } from '../keeper/second-factor.ts'
import type { Policies } from '../policy/load.ts'
import type { Peeked } from '../state/peek.ts'
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
  facts.push(`state ${store?.user?.state ?? 'none'}`, ...(trust === null ? [] : [trust]))
  const words = rulings.map((ruling) => ({ ...wordsUnder(ruling, question), where: onListeners(ruling.listeners) }))
  const needs = words.map((one) => `${one.where}${one.needs}`).join('; ')
  return { user: name, facts, allowed: words.some(({ allowed }) => allowed), needs }
}

const onListeners = (names: string[]) => (names.length === 0 ? '' : `on ${names.join(', ')}: `)

function wordsUnder({ policy, bar }: Ruling, { store, address, at }: LoginQuestion): Needs {
  if (bar !== null) return { allowed: false, needs: 'nothing helps: a rule of login.yaml shuts this address out' }
  const { methods } = policy.second_factor
  const demand = demandOf(policy, store?.user ?? null, address.text, at)
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
