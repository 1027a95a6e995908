/** The `dnsbl` part of reputation.yaml: zones of DNS that list addresses (RFC 5782). */
import type { z } from 'zod'
import { contains, parseAddress, parseRange, type Address, type Range } from '../base/ip.ts'
import { DNSBL_ZONES_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { duration, hostPort, leaf, list, section, word, type HostPort } from './leaf.ts'
import type { Remarks } from './sense.ts'
import type { YamlFile } from './yaml-file.ts'

/** Times are milliseconds. `line` is that of the zone in reputation.yaml. */
export type DnsblZone = {
  zone: string
  mode: 'enforce' | 'monitor'
  denyOn: Range[]
  resolver: HostPort
  timeout: number
  cache: number
  onError: 'allow' | 'deny'
  file: string
  line: number
}

const LOOPBACK = rangeOf('127.0.0.0/8')
const ERRORS = [rangeOf('127.0.0.1'), rangeOf('127.255.255.0/24')]

function rangeOf(text: string): Range {
  const range = parseRange(text)
  if (!range.ok) throw new Error(`${text} ${range.fault}`)
  return range.value
}

/** Tells whether an answer of a zone says nothing of the address asked for, but that the zone or the resolver is broken. */
export function isErrorAnswer(answer: Address): boolean {
  return !contains(LOOPBACK, answer) || ERRORS.some((range) => contains(range, answer))
}

/** The name of a zone: asked for behind at most 64 octets of address, in at most 253 in all. */
const zoneName = leaf('write a zone such as zen.spamhaus.org', (value): Parsed<string> => {
  const text = String(value).toLowerCase().replace(/\.$/, '')
  const fits =
    text.length <= 180 && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(text)
  return fits ? parsed(text) : faulty('is no zone; write it like zen.spamhaus.org')
})

const answer = leaf('write answers such as ["127.0.0.2"]', (value): Parsed<Range> => {
  const range = parseRange(String(value))
  if (!range.ok || range.value.family !== 4) return faulty('is no answer; write it like "127.0.0.2"')
  const [first, last] = [range.value.from, range.value.to].map((words) => ({ family: 4 as const, words, text: '' }))
  if (first === undefined || last === undefined || ![first, last].every((end) => contains(LOOPBACK, end)))
    return faulty('is no answer of a zone: those are in 127.0.0.0/8')
  return range.value.from === range.value.to && isErrorAnswer(first)
    ? faulty('is an error of the zone and no listing')
    : range
})

const resolver = leaf('write the address and port of a resolver, such as 127.0.0.1:53', (value): Parsed<HostPort> => {
  const read = hostPort(1).safeParse(value)
  if (!read.success) return faulty('is no address and port; write it like 127.0.0.1:53')
  return parseAddress(read.data.host) === null
    ? faulty('is a name, and needs a resolver itself; write its address')
    : parsed(read.data)
})

/** `dnsbl` of reputation.yaml. Without `deny_on` it is 127.0.0.2, which RFC 5782 (2.1) has for "listed". */
export const dnsblZones = list(
  section({
    zone: zoneName,
    mode: word('enforce', 'monitor').prefault('enforce'),
    deny_on: list(answer, 'write answers, or leave it out for 127.0.0.2', 1, 100).prefault(['127.0.0.2']),
    resolver: resolver.prefault('127.0.0.1:53'),
    timeout: duration('50ms', '5s').prefault('800ms'),
    cache: duration('0s', '1d').prefault('10m'),
    on_error: word('allow', 'deny').prefault('allow'),
  }),
  'name a zone',
  0,
  DNSBL_ZONES_MAX,
).prefault([])

type Zones = z.output<typeof dnsblZones>

/** Needs the zones as examined. */
export function dnsblSense(zones: Zones): Remarks {
  const names = zones.map(({ zone }) => zone)
  return {
    faults: names.flatMap((name, i) =>
      names.indexOf(name) < i ? [{ path: ['dnsbl', i, 'zone'], message: 'stands here for the second time' }] : [],
    ),
    warnings: zones.flatMap(({ zone, deny_on }, i) =>
      isOfHomeLines(zone, deny_on)
        ? [
            {
              path: ['dnsbl', i, 'deny_on'],
              message: 'holds 127.0.0.10 or .11: they list all home lines, and so your users',
            },
          ]
        : [],
    ),
  }
}

function isOfHomeLines(zone: string, denyOn: readonly Range[]): boolean {
  const home = ['127.0.0.10', '127.0.0.11'].map(parseAddress)
  const zen = /(^|\.)(zen|pbl)\./.test(zone)
  return zen && home.some((one) => one !== null && denyOn.some((range) => contains(range, one)))
}

/**
 * Needs the zones as examined, the file they stand in and the mode of the whole file: monitor there suspends every zone.
 * `name` is what rules call the file.
 */
export function compileZones(zones: Zones, mode: 'enforce' | 'monitor', file: YamlFile, name: string): DnsblZone[] {
  return zones.map(({ zone, mode: own, deny_on, resolver, timeout, cache, on_error }, i) => ({
    zone,
    mode: mode === 'monitor' ? mode : own,
    denyOn: deny_on,
    resolver,
    timeout,
    cache,
    onError: on_error,
    file: name,
    line: file.place(['dnsbl', i]).line,
  }))
}
