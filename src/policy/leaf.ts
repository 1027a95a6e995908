/**
 * The kinds of values that policy files hold, as zod schemas. A message is the end of a sentence whose start the loader
 * writes (`limits.idle_time: 12` …) and never quotes the value: that may have come out of an environment variable.
 */
import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import { parseDay } from '../base/day.ts'
import { parseAddress, parseRange, type Range } from '../base/ip.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { parseDuration, parseRate, parseSize, type Rate } from '../base/quantity.ts'
import { Secret } from '../base/secret.ts'

/** Makes a schema of one value. `help` says what to write; `read` judges what is there and is neither null nor missing. */
export function leaf<T>(help: string, read: (value: unknown) => Parsed<T>) {
  return z.unknown().transform((value, context): T => {
    const result = value === undefined || value === null ? faulty(lacking(value, help)) : read(value)
    if (result.ok) return result.value
    context.issues.push({ code: 'custom', message: result.fault, input: value })
    return z.NEVER
  })
}

function lacking(value: null | undefined, help: string): string {
  return value === undefined ? `is missing; ${help}` : `is empty; ${help}`
}

/** A section: every key must be one of these. The message carries the known keys, as zod's own issue does not. */
export function section<S extends z.core.$ZodLooseShape>(shape: S) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : undefined),
  })
}

/** A list of at least `min` items; `help` says what to write when there are fewer. */
export function list<T extends z.ZodType>(item: T, help: string, min = 0, max = 1_000) {
  return z.array(item).min(min, `is empty; ${help}`).max(max, `has more than ${max} items`)
}

/** One of some words. A switch among them also takes true for `on` and false for `off`. */
export function word<const W extends string>(...words: readonly W[]) {
  const help = `write ${oneOf(words)}`
  return leaf(help, (value): Parsed<W> => {
    const text = value === true ? 'on' : value === false ? 'off' : value
    const known = words.find((one) => one === text)
    return known === undefined ? faulty(`is not known here; ${help}`) : parsed(known)
  })
}

/** `on` or `off`, which YAML's true and false mean as well. */
export const toggle = word('on', 'off').transform((text) => text === 'on')

function oneOf(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${last}` : last
}

/** A duration in milliseconds. The bounds are durations too; beyond 24 days Node's timers would fire at once. */
export function duration(least: string, most: string) {
  return leaf('write a duration such as 30s, 15m, 12h or 7d', (value) => between(value, parseDuration, least, most))
}

/** A duration in milliseconds, or null for `off`. */
export function durationOrOff(least: string, most: string) {
  return leaf('write a duration such as 12h, or off', (value): Parsed<number | null> =>
    value === 'off' || value === false ? parsed(null) : between(value, parseDuration, least, most),
  )
}

/** A size in octets. */
export function size(least: string, most: string) {
  return leaf('write a size such as 10MiB', (value) => between(value, parseSize, least, most))
}

function between(value: unknown, read: (text: string) => Parsed<number>, least: string, most: string): Parsed<number> {
  const result = read(String(value))
  if (!result.ok) return result
  if (result.value < sure(read(least))) return faulty(`is too small; write ${least} or more`)
  if (result.value > sure(read(most))) return faulty(`is too large; write ${most} or less`)
  return result
}

/** For bounds that stand in the schema. */
function sure(bound: Parsed<number>): number {
  if (!bound.ok) throw new Error(`a bound of the schema ${bound.fault}`)
  return bound.value
}

/** A rate such as 30/1m. */
export const rate = leaf('write a rate such as 30/1m', (value): Parsed<Rate> => parseRate(String(value)))

/** A whole number. Also takes it in quotes, as a variable inside brackets must stand in quotes. */
export function count(least: number, most: number) {
  const help = `write a whole number from ${least} to ${most}`
  return leaf(help, (value): Parsed<number> => {
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
    const fits = typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most
    return fits ? parsed(number) : faulty(`does not fit; ${help}`)
  })
}

/** Text of one line. */
export function text(help = 'write some text', most = 500) {
  return leaf(help, (value): Parsed<string> => {
    if (typeof value !== 'string') return faulty('is not text; put it in quotes')
    if (value === '') return faulty(`is empty; ${help}`)
    if (value.length > most) return faulty(`is longer than ${most} characters`)
    return /\p{Cc}/u.test(value) ? faulty('holds a control character') : parsed(value)
  })
}

/** Text that must never be printed. */
export const secretText = text('write the secret, best as "${NAME}" of an environment variable').transform(
  (value) => new Secret(Buffer.from(value)),
)

/** A name that becomes a metric label: short, and of plain characters. */
export const label = leaf('write a short name', (value): Parsed<string> => {
  const fits = typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
  return fits ? parsed(value) : faulty('is no name; use up to 64 letters, digits, dots, dashes and underscores')
})

/** A mail domain, in lower case. */
export const domain = leaf('write a domain such as example.com', (value): Parsed<string> => {
  const fits = typeof value === 'string' && value.length <= 253 && /^[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*$/u.test(value)
  return fits ? parsed(value.toLowerCase()) : faulty('is no domain; write it like example.com')
})

/** A file or folder; relative to `folder`, where the file lies that names it. Gives an absolute path. */
export function path(folder: string) {
  return text('write a path', 4_096).transform((value) => (isAbsolute(value) ? value : resolve(folder, value)))
}

/** A day such as 2027-03-14; gives its first millisecond in UTC. */
export const day = leaf('write a day like 2027-03-14', (value): Parsed<number> => parseDay(String(value)))

/** A network, an address or a range. */
export const network = leaf('write a network such as 192.0.2.0/24', (value): Parsed<Range> => parseRange(String(value)))

export type HostPort = { host: string; port: number }

/** `host:port`, an IPv6 host in brackets. Port 0 (any free one) only for what listens. */
export function hostPort(lowest: 0 | 1) {
  const help = 'write it like 192.0.2.1:995, [::]:995 or mail.example.com:110'
  return leaf(help, (value): Parsed<HostPort> => {
    const parts = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(String(value))
    const host = hostOf(parts?.[1], parts?.[2])
    const port = Number(parts?.[3])
    if (parts === null || host === null) return faulty(`is no host and port; ${help}`)
    if (port < lowest || port > 65_535) return faulty(`has a port outside ${lowest} to 65535`)
    return parsed({ host, port })
  })
}

function hostOf(bracketed: string | undefined, plain: string | undefined): string | null {
  const host = bracketed ?? plain ?? ''
  const address = parseAddress(host)
  // Of digits and dots alone, it was meant to be an address: no such name exists, and resolvers would guess.
  const isName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/.test(host)
  if (bracketed !== undefined) return bracketed.includes(':') ? (address?.text ?? null) : null
  return address?.text ?? (isName && !/^[\d.]+$/.test(host) ? host.toLowerCase() : null)
}

/** The source of a regular expression that is tried without regard to case. */
export const pattern = leaf('write a regular expression', (value): Parsed<string> => {
  if (typeof value !== 'string' || value === '' || value.length > 500)
    return faulty('is no pattern of up to 500 characters')
  try {
    new RegExp(value, 'i')
    return parsed(value)
  } catch {
    return faulty('is no regular expression; test it, and put it in single quotes')
  }
})
