/** A zone of reputation.yaml for tests. */
import { parseRange } from '../../src/base/ip.ts'
import type { DnsblZone } from '../../src/policy/dnsbl.ts'

const ranges = (...texts: string[]) =>
  texts.map((text) => {
    const range = parseRange(text)
    if (!range.ok) throw new Error(text)
    return range.value
  })

/** One that denies 127.0.0.2 and 127.0.0.9, and whatever the test changes. */
export function zone(change: Partial<DnsblZone> = {}): DnsblZone {
  return {
    zone: 'dnsbl.example',
    mode: 'enforce',
    denyOn: ranges('127.0.0.2', '127.0.0.9'),
    resolver: { host: '127.0.0.1', port: 53 },
    timeout: 800,
    cache: 60_000,
    onError: 'allow',
    file: 'reputation.yaml',
    line: 2,
    ...change,
  }
}
