import { beforeEach, describe, expect, test } from 'vitest'
import { parseRange } from '../../../src/base/ip.ts'
import type { CompiledGate } from '../../../src/gate/verdict.ts'
import type { Listing } from '../../../src/keeper/dnsbl.ts'
import { createLateGate, type LateGate } from '../../../src/keeper/late-gate.ts'
import type { DnsblZone } from '../../../src/policy/dnsbl.ts'
import { zone } from '../../support/zone.ts'
import { address, gate, NOW, OPEN } from '../gate/lists.ts'

let asked: string[]
let answers: Record<string, Listing>
let zones: DnsblZone[]
let rules: CompiledGate
let late: LateGate

const LISTED: Listing = { say: 'listed', answers: [address('127.0.0.2')] }
const ERROR: Listing = { say: 'error', reason: 'silent' }
const comer = (ip: string) => ({ facts: { ip } })

beforeEach(() => {
  asked = []
  answers = {}
  zones = [zone()]
  rules = OPEN
  late = createLateGate({
    dnsbl: {
      look: ({ zone: name }, { text }) => {
        asked.push(`${text} ${name}`)
        return Promise.resolve(answers[name] ?? { say: 'clear' })
      },
      fault: () => null,
    },
    clock: { now: () => NOW, monotonic: () => NOW },
    gate: () => rules,
    zones: () => zones,
  })
})

const by = (name: string, line = 2) => ({ file: 'reputation.yaml', line, rule: `dnsbl.${name}` })

describe('zones', () => {
  test('are asked when a connection is admitted, and judged at login', async () => {
    const one = comer('203.0.113.7')
    late.begin(one)
    expect(asked).toEqual(['203.0.113.7 dnsbl.example'])
    expect(await late.judge(one)).toEqual({ verdict: { say: 'pass' }, would: [] })
    expect(asked).toHaveLength(1)
  })

  test('are asked at login when nobody asked before: no connection slips by a policy that came meanwhile', async () => {
    answers = { 'dnsbl.example': LISTED }
    expect((await late.judge(comer('203.0.113.7'))).verdict).toEqual({ say: 'deny', by: by('dnsbl.example'), answer: '127.0.0.2' }) // prettier-ignore
  })

  test('never hear of a private address', async () => {
    answers = { 'dnsbl.example': LISTED }
    for (const ip of ['10.0.0.1', '127.0.0.1', '::1', 'fd00::1', '100.64.0.1']) {
      expect((await late.judge(comer(ip))).verdict).toEqual({ say: 'pass' })
    }
    expect(asked).toEqual([])
  })

  test('never hear of an address that the allow lists or a pass spare; a deny list goes before an allow list', async () => {
    answers = { 'dnsbl.example': LISTED }
    rules = gate('enforce', ['203.0.113.0/24'], ['203.0.113.9'])
    expect((await late.judge(comer('203.0.113.7'))).verdict.say).toBe('pass')
    expect((await late.judge(comer('203.0.113.9'))).verdict.say).toBe('deny')
    const range = parseRange('198.51.100.0/24')
    if (!range.ok) throw new Error('range')
    rules = { ...OPEN, data: { ...OPEN.data, passes: [{ range: range.value, until: NOW + 1, reason: 'x' }] } }
    expect((await late.judge(comer('198.51.100.7'))).verdict.say).toBe('pass')
    expect(asked).toEqual(['203.0.113.9 dnsbl.example'])
  })

  test('each have their own mode: the first that enforces decides, monitors only tell, and once', async () => {
    zones = [zone({ zone: 'watched', mode: 'monitor', line: 1 }), zone({ zone: 'strict', line: 3 }), zone({ line: 4 })]
    answers = { watched: LISTED }
    const one = comer('203.0.113.7')
    const would = [{ by: by('watched', 1), answer: '127.0.0.2' }]
    expect(await late.judge(one)).toEqual({ verdict: { say: 'pass' }, would })
    expect(await late.judge(one)).toEqual({ verdict: { say: 'pass' }, would: [] })
    answers = { watched: LISTED, strict: LISTED, 'dnsbl.example': LISTED }
    expect(await late.judge(comer('203.0.113.8'))).toEqual({
      verdict: { say: 'deny', by: by('strict', 3), answer: '127.0.0.2' },
      would,
    })
  })

  test('that do not answer mean what their `on_error` says, and may answer at the next try', async () => {
    answers = { 'dnsbl.example': ERROR }
    expect((await late.judge(comer('203.0.113.7'))).verdict).toEqual({ say: 'pass' })
    zones = [zone({ onError: 'deny' })]
    const one = comer('203.0.113.7')
    expect((await late.judge(one)).verdict).toEqual({ say: 'unsure', by: by('dnsbl.example'), answer: 'silent' })
    answers = {}
    expect((await late.judge(one)).verdict).toEqual({ say: 'pass' })
  })

  test('that list an address go before one that does not answer', async () => {
    zones = [zone({ zone: 'silent', onError: 'deny' }), zone()]
    answers = { silent: ERROR, 'dnsbl.example': LISTED }
    expect((await late.judge(comer('203.0.113.7'))).verdict.say).toBe('deny')
  })
})

describe('a country that is shut out', () => {
  const fenced = (change = {}): CompiledGate => ({
    ...OPEN,
    geofence: {
      mode: 'enforce',
      file: 'geofence.yaml',
      deny: new Map(),
      asns: new Map(),
      allow: { countries: new Set(['DE']), line: 4 },
      unknown: { say: 'deny', line: 9 },
      travellers: [{ country: 'JP', until: Infinity }],
      ...change,
    },
    data: { ...OPEN.data, country: { v4From: Uint32Array.of(0), v4Value: Uint32Array.of(0x4a50), v6From: Uint32Array.of(0, 0, 0, 0), v6Value: Uint32Array.of(0) } }, // prettier-ignore
  })

  test('is named with its rule, exceptions left aside: they are for the login to weigh', () => {
    rules = fenced()
    expect(late.fenced('203.0.113.7')).toEqual({ country: 'JP', by: { file: 'geofence.yaml', line: 4, rule: 'geofence.country' } }) // prettier-ignore
    expect(late.fenced('2001:db8::1')).toMatchObject({ country: null, by: { line: 9 } })
  })

  test('is not shut out in monitor mode, without a geofence, or past an allow list', () => {
    rules = fenced({ mode: 'monitor' })
    expect(late.fenced('203.0.113.7')).toBeNull()
    rules = OPEN
    expect(late.fenced('203.0.113.7')).toBeNull()
    rules = { ...fenced(), networks: gate('enforce', ['203.0.113.7'], []).networks }
    expect(late.fenced('203.0.113.7')).toBeNull()
    expect(late.fenced('203.0.113.8')).not.toBeNull()
  })
})
