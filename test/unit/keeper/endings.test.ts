import { expect, test } from 'vitest'
import { createEndings } from '../../../src/keeper/endings.ts'
import type { ClientCa } from '../../../src/policy/client-ca.ts'

test('what runs out is said once ahead of time and once when it has, and again of its successor', () => {
  let now = 0
  const lines: string[] = []
  const events: unknown[] = []
  const clock = { now: () => now, monotonic: () => now }
  const endings = createEndings({ warn: (line: string) => lines.push(line) } as never, clock, (event) =>
    events.push(event),
  )
  const ca = (at: number): ClientCa => ({
    ca: [],
    crls: [],
    userFrom: 'cn',
    endings: [
      { name: 'ca.pem', at: 1e12, warnFrom: 9e11, fingerprint: 'A' },
      { name: 'ca.crl', at, warnFrom: at - 100, fingerprint: 'B' },
    ],
  })
  const said = (moment: number, of: ClientCa | null) => {
    now = moment
    endings.look(of)
    return lines.splice(0)
  }
  expect(said(800, ca(1_000))).toEqual([])
  expect(said(900, ca(1_000))).toEqual([
    'ca.crl runs out on 1970-01-01; get a new one, or client certificates are refused then',
  ])
  expect(said(950, ca(1_000))).toEqual([])
  expect(said(1_000, ca(1_000))).toEqual([
    'ca.crl ran out on 1970-01-01: client certificates are refused; get a new one',
  ])
  expect(said(1_001, ca(1_000))).toEqual([])
  expect(said(1_002, ca(86_400_050))).toEqual([])
  expect(said(86_400_000, ca(86_400_050))).toEqual([
    'ca.crl runs out on 1970-01-02; get a new one, or client certificates are refused then',
  ])
  expect(said(86_400_010, null)).toEqual([])
  expect(events).toHaveLength(3)
  expect(events[0]).toEqual({
    stream: 'admin',
    action: 'certificate-expiring',
    name: 'ca.crl',
    notAfter: '1970-01-01T00:00:01.000Z',
    fingerprint: 'B',
  })
})
