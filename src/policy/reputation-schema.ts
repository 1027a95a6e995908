/** The schema of reputation.yaml. See `schema.ts` for what values become. */
import { z } from 'zod'
import { FEEDS_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { dnsblZones } from './dnsbl.ts'
import { duration, label, leaf, list, path, section, word } from './leaf.ts'
import type { SchemaContext } from './schema.ts'

const webAddress = leaf('write it like https://example.com/list.txt', (value): Parsed<string> => {
  const { protocol = '' } = typeof value === 'string' && URL.canParse(value) ? new URL(value) : {}
  const fits = ['https:', 'http:'].includes(protocol) && String(value).length <= 2_000
  return fits ? parsed(String(value)) : faulty('is no web address; write it like https://example.com/list.txt')
})

/** Needs the context; gives the schema of reputation.yaml. */
export function reputationSchema(context: SchemaContext) {
  const feed = section({
    name: label,
    file: path(context.folder).optional(),
    url: webAddress.optional(),
    // Longer ones would be older than any feed is good for, and beyond what a timer can count.
    refresh: duration('15m', '7d').optional(),
    mode: word('enforce', 'monitor').prefault('enforce'),
    on_error: word('allow', 'deny').prefault('deny'),
  })
  return section({
    mode: word('enforce', 'monitor').prefault('enforce'),
    feeds: list(feed, 'name feeds', 0, FEEDS_MAX).prefault([]),
    dnsbl: dnsblZones,
    crowdsec: z.unknown().optional(),
  })
}

export type Reputation = z.output<ReturnType<typeof reputationSchema>>
