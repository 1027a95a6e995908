/** What `postern check` says of the gate beyond reading its files: databases, zones of DNS lists, and the operator's own way in. */
import { join, relative } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { parseAddress, type Address } from '../base/ip.ts'
import { NO_DATA } from '../gate/verdict.ts'
import { earlyVerdict } from '../gate/gate.ts'
import { askResolver, type Ask } from '../keeper/dns-client.ts'
import { createDnsbl } from '../keeper/dnsbl.ts'
import type { Checked } from '../policy/check.ts'
import { compilePolicies } from '../policy/compile.ts'
import type { Policies } from '../policy/load.ts'
import { readTables, type Tables } from './tables.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Needs policies without a fault, and the environment of the operator's shell. */
export async function checkGate(
  policies: Policies,
  environment: Environment,
  ask: Ask = askResolver,
): Promise<Checked> {
  const tables = await readTables(policies, Date.now())
  const lines = (kinds: string[]) =>
    tables.remarks
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ plan, message }) => policies.tell('geofence.yaml', [plan.feed], message))
  return {
    faults: lines(['fault']),
    warnings: [
      ...lines(['absent', 'old']),
      ...ownShell(policies, tables, environment),
      ...(await zones(policies, ask)),
    ],
  }
}

/** Attack on oneself: a rule that shuts out who wrote it. The database of a server far away knows more than a hunch. */
function ownShell(policies: Policies, { country, asn }: Tables, environment: Environment): string[] {
  const [from = ''] = (environment['SSH_CONNECTION'] ?? environment['SSH_CLIENT'] ?? '').split(' ')
  const address = parseAddress(from)
  if (address === null) return []
  const { gate } = compilePolicies(policies, 0)
  const { verdict } = earlyVerdict({ ...gate, data: { ...NO_DATA, country, asn } }, address, Date.now())
  if (verdict.say !== 'deny') return []
  const { file, line, rule } = verdict.by
  const shown = relative(process.cwd(), join(policies.folder, file))
  return [`${shown}:${line}:1: ${rule} would shut out ${address.text}, the address that your own shell came from`]
}

/** RFC 5782, 5: a zone that works lists 127.0.0.2 and does not list 127.0.0.1. */
async function zones({ dnsbl, tell }: Policies, ask: Ask): Promise<string[]> {
  const { look } = createDnsbl(ask, systemClock)
  const words = await Promise.all(
    dnsbl.map(async (zone, i) => {
      const [listed, clear] = await Promise.all([look(zone, address('127.0.0.2')), look(zone, address('127.0.0.1'))])
      if (listed.say === 'error')
        return [tell('reputation.yaml', ['dnsbl', i, 'zone'], `gives no answer: ${listed.reason}`)]
      return [
        ...(listed.say === 'clear' ? ['does not list 127.0.0.2, as every zone must: is its name right?'] : []),
        ...(clear.say === 'clear'
          ? []
          : ['lists 127.0.0.1, as no zone may: it may be dead, or the resolver makes answers up']),
      ].map((message) => tell('reputation.yaml', ['dnsbl', i, 'zone'], message))
    }),
  )
  return words.flat()
}

function address(text: string): Address {
  const read = parseAddress(text)
  if (read === null) throw new Error('no address')
  return read
}
