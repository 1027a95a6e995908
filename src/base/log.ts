/** The server's own log on stderr: what an operator reads. What must survive a crash goes to the audit, never here alone. */
import { pino } from 'pino'
import { clean } from './clean.ts'
import { LOG_TEXT_MAX } from './limits.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Facts = Record<string, string | number | boolean | null | undefined>

type Say = {
  (text: string): void
  (facts: Facts, text: string): void
}

export type Log = Record<Level, Say>

const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error']

type Sink = { write(line: string): unknown }

/**
 * Gives a log that writes one line a record: JSON (pino's, with `level` as a word and `time` in ISO 8601) or text.
 * Each line is written before the call returns, so that the words before a crash are there. Texts are cleaned: no record
 * can break its line or speak to a terminal. A stderr that is gone is no reason to stop: lines are lost then.
 */
export function createLog(level: Level, format: 'json' | 'text', sink: Sink = standardError()): Log {
  const stream = format === 'json' ? sink : { write: (line: string) => sink.write(textOf(line)) }
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
  const say =
    (at: Level): Say =>
    (first: string | Facts, text?: string) => {
      if (!logger.isLevelEnabled(at)) return
      if (typeof first === 'string') logger[at](clean(first, LOG_TEXT_MAX))
      else logger[at](cleaned(first), clean(text ?? '', LOG_TEXT_MAX))
    }
  return Object.fromEntries(LEVELS.map((at) => [at, say(at)])) as Log
}

function standardError(): Sink {
  const destination = pino.destination({ dest: 2, sync: true })
  // Whoever read stderr went away (EPIPE): mail goes on.
  destination.on('error', () => undefined)
  return destination
}

function cleaned(facts: Facts): Facts {
  const entries = Object.entries(facts).map(([name, value]) => {
    return [clean(name), typeof value === 'string' ? clean(value, LOG_TEXT_MAX) : value]
  })
  return Object.fromEntries(entries) as Facts
}

/** `2027-03-14T09:26:53.589Z warn  certificate is close to its end name=mail days=12` */
function textOf(json: string): string {
  const { level, time, msg, ...facts } = JSON.parse(json) as Record<string, unknown>
  const rest = Object.entries(facts).map(([name, value]) => ` ${name}=${valueOf(value)}`)
  return `${String(time)} ${String(level).padEnd(5)} ${String(msg)}${rest.join('')}\n`
}

/** Quotes what holds a space, a quote or an equals sign: a value cannot pose as another field. */
function valueOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}
