/** `postern explain`: why an address would get in, or not. */
import { clean } from '../base/clean.ts'
import { networkOf, parseAddress, type Address } from '../base/ip.ts'
import { misuse, Refusal } from '../base/refusal.ts'
import type { RuleAt } from '../audit/events.ts'
import { allowancesOf } from '../keeper/failures.ts'
import { loadPolicies, type Policies } from '../policy/load.ts'
import { peek, peekLocks, type PeekedLocks } from '../state/peek.ts'
import { explainLogin, nameOf, type LoginExplanation } from './explain-login.ts'
import { explainAddress, type Explanation, type Step } from './explanation.ts'

type Options = { config: string; user?: string; ja4?: string; at?: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)

/** Gives 0, whatever the verdict. Throws Refusal for policies with faults, and for what is no address or moment. */
export async function explain(ip: string, options: Options): Promise<number> {
  const address = parseAddress(ip)
  if (address === null) throw misuse(`'${clean(ip, 60)}' is no IP address`)
  const at = momentOf(options.at)
  const loaded = await loadPolicies(options.config, process.env, { now: at })
  if (!loaded.ok) throw new Refusal(...loaded.faults)
  const { policies } = loaded
  const name = options.user === undefined ? null : nameOf(policies, options.user)
  const store = peek(policies.postern.state.path, name)
  const gate = await explainAddress(policies, {
    address,
    at,
    passes: store?.passes ?? [],
    travels: store?.travels ?? [],
  })
  const fingerprint = options.ja4 ?? null
  const locks = name === null ? null : locksFor(policies, name, address, at)
  const login =
    options.user === undefined
      ? null
      : explainLogin(policies, { user: options.user, address, at, fingerprint, gate, store, locks })
  if (options.json === true) print(JSON.stringify({ ...gate, login }))
  else for (const line of [...linesOf(gate), ...(login === null ? [] : loginLines(login))]) print(line)
  return 0
}

function locksFor(policies: Policies, name: string, address: Address, at: number): PeekedLocks | null {
  const home = networkOf(address, policies.login.trusted_device.same_network)
  return peekLocks(policies.postern.state.path, allowancesOf(policies.login, name, address.text), home, at)
}

function momentOf(text: string | undefined): number {
  if (text === undefined) return Date.now()
  const at = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)
    ? Date.parse(text)
    : NaN
  if (Number.isNaN(at)) throw misuse(`--at '${clean(text, 60)}' is no moment; write it like 2027-01-31T12:00:00Z`)
  return at
}

function linesOf(gate: Explanation): string[] {
  const { ip, at, country, asn, steps, remarks } = gate
  const where = gate.private ? 'a private address' : `country ${country ?? 'unknown'}`
  return [
    `${ip} at ${at}: ${where}${asn === null ? '' : `, AS${asn}`}`,
    ...remarks.map((remark) => `  ! ${remark}`),
    ...steps.map(lineOf),
    `the gate: ${verdictWords(gate)}`,
  ]
}

function lineOf({ check, verdict, by, detail }: Step): string {
  const place = by === undefined ? '' : ` ${placeOf(by)}`
  return `  ${check.padEnd(24)} ${verdict.padEnd(10)}${place}${detail === undefined ? '' : `  ${detail}`}`.trimEnd()
}

const placeOf = ({ file, line, rule }: RuleAt) => (line === 0 ? rule : `${rule} ${file}:${line}`)

function verdictWords({ gate: { verdict, by } }: Explanation): string {
  const why = by === null ? '' : ` by ${placeOf(by)}`
  switch (verdict) {
    case 'passes':
      return `passes${why}`
    case 'denied':
      return `denied${why}`
    case 'unsure':
      return `nobody gets in until it is known${why}`
    case 'login':
      return `passes for users that an exception names; all others are refused at login${why}`
  }
}

function loginLines({ facts, needs, allowed }: LoginExplanation): string[] {
  return [...facts.map((fact) => `  ${fact}`), `the login: ${allowed ? 'needs ' : ''}${needs}`]
}
