/** reputation.yaml: the schema of the whole file. Its feeds are not built yet and refused by `not-yet.ts`. */
import { z } from 'zod'
import { dnsblZones } from './dnsbl.ts'
import { section, word } from './leaf.ts'

/** Gives the schema of reputation.yaml. */
export function reputationSchema() {
  return section({
    mode: word('enforce', 'monitor').prefault('enforce'),
    feeds: z.unknown().optional(),
    dnsbl: dnsblZones,
    crowdsec: z.unknown().optional(),
  })
}
