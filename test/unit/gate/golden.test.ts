/**
 * Golden cases of the gate: one text file a case, in test/unit/gate/golden. Address and facts in; verdict with file and line,
 * and the audit lines, out. A file starts with a sentence on what it shows; then come parts, each under a line `--- name`:
 *
 *     --- networks.yaml          any file of the policy folder; a check whose file is here is on
 *     --- feed NAME              what was fetched of a feed by URL
 *     --- ask                    `from ADDRESS`, `at ISO-TIME`, and whatever facts {@link FACTS} knows
 *     --- verdict                `pass`, `admit RULE FILE:LINE`, `deny …` or `unsure …`, then a line `would RULE FILE:LINE` each
 *     --- audit                  the lines of the audit without their chain, one a line
 */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { RuleAt } from '../../../src/audit/events.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { work } from '../../../src/compiler/job.ts'
import { earlyVerdict, type EarlyVerdict } from '../../../src/gate/gate.ts'
import type { CompiledGate } from '../../../src/gate/verdict.ts'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { gateOf } from '../../../src/policy/reputation.ts'
import { good, POSTERN } from '../policy/folder.ts'
import { address } from './lists.ts'

const FOLDER = new URL('golden/', import.meta.url)
/** In the order of the contract. */
const CHECKS = ['networks', 'reputation', 'geofence', 'rates']

type Ask = { from: string; at: number }
/** What may stand under `ask`. */
const FACTS: Record<string, (ask: Ask, value: string) => void> = {
  from: (ask, value) => void (ask.from = value),
  at: (ask, value) => void (ask.at = Date.parse(value)),
}

type Case = { about: string; parts: Map<string, string> }

function readCase(name: string): Case {
  const [about = '', ...parts] = readFileSync(new URL(name, FOLDER), 'utf8').split(/^--- /m)
  const split = parts.map((part): [string, string] => {
    const end = part.indexOf('\n')
    return [part.slice(0, end).trim(), part.slice(end + 1)]
  })
  return { about: about.trim(), parts: new Map(split) }
}

function askOf(text: string): Ask {
  const ask: Ask = { from: '', at: 0 }
  for (const line of text.trim().split('\n')) {
    const [, fact = '', value = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    const take = FACTS[fact]
    if (take === undefined) throw new Error(`unknown fact: ${line}`)
    take(ask, value)
  }
  return ask
}

/** The gate as a server would have it that reads these files and has fetched these feeds. */
async function gateFor({ parts }: Case): Promise<CompiledGate> {
  const files = [...parts].filter(([name]) => name.includes('.'))
  const checks = CHECKS.filter((check) => parts.has(`${check}.yaml`))
  const postern = { 'postern.yaml': `${POSTERN}checks: [${checks.join(', ')}]\n` }
  const { policies } = await good({ ...postern, ...Object.fromEntries(files) })
  const fetched = (name: string) => {
    const body = parts.get(`feed ${name}`)
    if (body === undefined) return null
    const made = work({
      do: 'feed',
      source: { name: `../state/feeds/${name}.txt`, bytes: Buffer.from(body), digest: '' },
    })
    if (made.at !== 'feed') throw new Error(`feed ${name}: ${JSON.stringify(made)}`)
    return made.list
  }
  return { ...compilePolicies(policies, 1).gate, reputation: gateOf(policies.reputation, fetched) }
}

const placed = (by: RuleAt) => `${by.rule} ${by.file}:${by.line}`

function verdictText({ verdict, would }: EarlyVerdict): string {
  const first = verdict.say === 'pass' ? 'pass' : `${verdict.say} ${placed(verdict.by)}`
  return [first, ...would.map((by) => `would ${placed(by)}`)].join('\n')
}

function auditText({ verdict, would }: EarlyVerdict, ask: Ask): string {
  const connection = { listener: 'outside', ip: address(ask.from).text, port: 50_000 }
  const line = (action: 'connection-denied' | 'connection-would-deny', by: RuleAt) =>
    bodyOf({ stream: 'access', action, connection, by, count: 1 }, ask.at)
  const denied = verdict.say === 'deny' || verdict.say === 'unsure' ? [line('connection-denied', verdict.by)] : []
  return [...would.map((by) => line('connection-would-deny', by)), ...denied].join('\n')
}

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))

test('there are cases', () => {
  expect(names.length).toBeGreaterThan(8)
})

test.each(names.map((name) => [name, readCase(name).about] as const))('%s: %s', async (name) => {
  const one = readCase(name)
  const ask = askOf(one.parts.get('ask') ?? '')
  const early = earlyVerdict(await gateFor(one), address(ask.from), ask.at)
  expect(verdictText(early)).toBe((one.parts.get('verdict') ?? '').trim())
  expect(auditText(early, ask)).toBe((one.parts.get('audit') ?? '').trim())
})
