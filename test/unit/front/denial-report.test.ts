import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseAddress } from '../../../src/base/ip.ts'
import { TALLY_LINES } from '../../../src/base/audit-limits.ts'
import { DENIAL_REPORT_MS } from '../../../src/base/limits.ts'
import { denialReport } from '../../../src/front/denial-report.ts'
import type { FromFront } from '../../../src/keeper/messages.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const PEER = { listener: 'outside', ip: '192.0.2.1', port: 1 }
const by = (rule: string) => ({ file: 'networks.yaml', line: 2, rule })

function report() {
  const told: FromFront[] = []
  const denials = denialReport((news) => told.push(news))
  const address = parseAddress('192.0.2.1')
  if (address === null) throw new Error('no address')
  return { told, denials, address }
}
const counts = (told: FromFront[]) => told.map((news) => ('count' in news ? news.count : 0))

test('the first of a rule and network go at once, the rest as a sum, and none is lost', () => {
  const { told, denials, address } = report()
  for (let i = 0; i < 50; i++) denials.note(address, { ...PEER, by: by('networks.deny'), would: false })
  for (let i = 0; i < 3; i++) denials.note(address, { ...PEER, by: by('networks.deny'), would: true })
  expect(counts(told)).toEqual(Array(TALLY_LINES + 3).fill(1))
  vi.advanceTimersByTime(DENIAL_REPORT_MS)
  expect(told.at(-1)).toMatchObject({ kind: 'denied', would: false, count: 50 - TALLY_LINES })
})

test('broken headers are summed by their reason', () => {
  const { told, denials, address } = report()
  for (let i = 0; i < 12; i++) denials.violated(address, { ...PEER, reason: 'proxy-header-missing' })
  denials.violated(address, { ...PEER, reason: 'proxy-header-late' })
  denials.flush()
  expect(told.at(-1)).toMatchObject({ kind: 'violated', reason: 'proxy-header-missing', count: 12 - TALLY_LINES })
  expect(counts(told).reduce((sum, count) => sum + count)).toBe(13)
  denials.flush()
  expect(told).toHaveLength(12)
})
