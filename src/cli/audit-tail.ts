/** `postern audit tail`: reads the streams as they are on disk, once or for as long as somebody looks. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { clean } from '../base/clean.ts'
import { parseRange, type Range } from '../base/ip.ts'
import { TAIL_LINES, TAIL_LOOK_MS } from '../base/audit-limits.ts'
import { printableJson } from '../base/printable.ts'
import { misuse } from '../base/refusal.ts'
import { createCursor, type Trouble } from '../audit/cursor.ts'
import type { Stream } from '../audit/events.ts'
import { createFilter, type Wanted } from '../audit/filter.ts'
import { mergeByTime, type Merged } from '../audit/merge.ts'
import { lastLines, readMerged } from '../audit/window.ts'
import { auditFolder, streamsOf, unreadable, warnOfTrouble } from './audit-folder.ts'
import { prettyLine } from './audit-pretty.ts'
import { momentOf } from './moment.ts'

export type TailOptions = {
  config: string
  path?: string
  follow?: boolean
  user?: string
  ip?: string
  ja4?: string
  since?: string
  until?: string
  lines?: string
  json?: boolean
}

/** Gives 0. Without a time the last lines come; with `--follow` what is written from now on, or from `--since` on. */
export async function auditTail(name: string | undefined, options: TailOptions): Promise<number> {
  const streams = streamsOf(name)
  const json = options.json === true || !process.stdout.isTTY
  // In words: after a quiet night the last lines are signatures.
  const wanted = { ...wantedOf(options, Date.now()), withoutSeals: !json }
  const folder = await auditFolder(options.config, options.path)
  const out = outlet(json, process.stdout.isTTY)
  try {
    if (options.follow === true) {
      for await (const batch of followed(folder, streams, wanted, warnOfTrouble, out.stop)) await out.put(batch)
    } else if (wanted.since !== null || wanted.until !== null) {
      for await (const batch of readMerged(folder, streams, wanted, warnOfTrouble)) {
        await out.put(batch)
        if (out.stop.aborted) break
      }
    } else {
      await out.put(await lastLines(folder, streams, wanted, countOf(options.lines)))
    }
  } catch (error) {
    throw unreadable(error, folder)
  }
  return 0
}

/**
 * Gives the lines that are wanted as they get to disk, until `stop`. Of lines that are found at the same look the order is that of their
 * times. Rests between two looks.
 */
export async function* followed(
  folder: string,
  streams: readonly Stream[],
  wanted: Wanted,
  trouble: Trouble,
  stop: AbortSignal,
  rest: () => Promise<unknown> = () => delay(TAIL_LOOK_MS, undefined, { signal: stop }).catch(() => undefined),
): AsyncGenerator<Merged[]> {
  const isWanted = createFilter(wanted)
  const cursors = streams.map(
    (stream) => [stream, createCursor(folder, stream, wanted.since ?? null, trouble)] as const,
  )
  while (!stop.aborted) {
    const passes = new Map(cursors.map(([stream, cursor]) => [stream, cursor.pass()]))
    for await (const batch of mergeByTime(passes)) {
      const lines = batch.filter(({ line }) => isWanted(line))
      if (lines.length > 0) yield lines
    }
    await rest()
  }
}

function wantedOf(options: TailOptions, now: number): Required<Pick<Wanted, 'since' | 'until'>> & Wanted {
  const { follow, user, ip, ja4, since, until } = options
  if (follow === true && until !== undefined) throw misuse('--follow goes on for ever: leave --until out')
  const start = since === undefined ? (follow === true ? now : null) : momentOf('since', since, now)
  return {
    user,
    ja4,
    network: ip === undefined ? undefined : networkOf(ip),
    since: start,
    until: until === undefined ? null : momentOf('until', until, now, true),
  }
}

function networkOf(ip: string): Range {
  const range = parseRange(ip)
  if (!range.ok) throw misuse(`--ip '${clean(ip, 60)}' ${range.fault}`)
  return range.value
}

function countOf(lines: string | undefined): number {
  if (lines === undefined) return TAIL_LINES
  if (!/^[1-9]\d{0,5}$/.test(lines)) throw misuse(`--lines '${clean(lines, 60)}' is no number from 1 to 999999`)
  return Number(lines)
}

/** `stop`: who read us has left (`| head`), or Ctrl-C. */
type Outlet = { put(batch: Merged[]): Promise<void>; stop: AbortSignal; json: boolean }

function outlet(json: boolean, terminal: boolean): Outlet {
  const gone = new AbortController()
  const end = () => {
    gone.abort()
  }
  process.once('SIGINT', end)
  process.stdout.once('error', end)
  return {
    stop: gone.signal,
    json,
    async put(batch) {
      const bytes = json && !terminal ? asTheyAre(batch) : Buffer.from(shown(batch, json))
      if (bytes.length === 0 || gone.signal.aborted) return
      if (!process.stdout.write(bytes))
        await once(process.stdout, 'drain', { signal: gone.signal }).catch(() => undefined)
    },
  }
}

const LF = Buffer.from('\n')

function asTheyAre(batch: Merged[]): Buffer {
  return Buffer.concat(batch.flatMap(({ line }) => [line, LF]))
}

/** For a terminal: nothing in it moves the cursor. */
function shown(batch: Merged[], json: boolean): string {
  const words = batch.map(({ line }) => (json ? printableJson(line.toString()) : prettyLine(line)))
  return words.map((word) => `${word}\n`).join('')
}
