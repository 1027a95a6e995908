/**
 * The feeds that are fetched: what is in force of each, when it is asked for again, and what its failures mean. Whatever goes
 * wrong, the last good list stays; a feed that never had one is `unsure`, and its policy says what that means.
 */
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import { within } from '../base/deadline.ts'
import { FEED_FIRST_MS, FEED_SHORT_ACCEPTED_MS, FETCHES_AT_ONCE } from '../base/gate-limits.ts'
import type { Log } from '../base/log.ts'
import type { FetchJob, Made, ParseJob } from '../compiler/job.ts'
import type { CompiledGate } from '../gate/verdict.ts'
import { relative } from 'node:path'
import type { Policies } from '../policy/load.ts'
import { copyOf, type FeedPolicy, gateOf } from '../policy/reputation.ts'
import { readCopy, writeCopy } from './feed-copy.ts'
import { blocksWithout, type FeedState, type Held, isShort, stateOf, waitOf } from './feed-state.ts'

export type Feeds = {
  /**
   * Makes the feeds of a policy set ready before it is in force: copies are read, and what has none is fetched, for a while.
   * Gives the feeds that have no list then and whose policy would refuse everybody for it.
   */
  prepare(policies: Policies): Promise<{ feed: FeedPolicy; reason: string }[]>
  /** The set is in force: from now on its feeds are kept fresh, and those of others forgotten. */
  use(policies: Policies): void
  /** The gate of the policies with the lists that were fetched. The same object as long as nothing changes. */
  gate(gate: CompiledGate): CompiledGate
  states(): FeedState[]
  stop(): void
}

export type FeedsContext = {
  clock: Clock
  log: Log
  /** Fetches or parses one feed, apart. */
  run(job: FetchJob | ParseJob, user: string): Promise<Made>
  emit(event: AuditEvent): void
  /** A list changed: the fronts want it. */
  changed(): void
  /** Certificates trusted besides Node's own (PEM). */
  ca: string[]
  /** 0 up to 1. */
  random(): number
  /** Runs something once, later; gives what calls it off. */
  later(ms: number, run: () => void): () => void
}

/** Gives a manager without feeds. */
export function createFeeds(context: FeedsContext): Feeds {
  const { clock, emit, log } = context
  const held = new Map<string, Held>()
  const slots = createSlots(FETCHES_AT_ONCE)
  // Apart from the fetches: a server that hangs must not hold up a reload.
  const recalls = createSlots(FETCHES_AT_ONCE)
  let policies: Policies | null = null
  let memo: { from: CompiledGate; gate: CompiledGate } | null = null

  const heldOf = (set: Policies, { name, source }: FeedPolicy): Held | null => {
    if (source.from === 'file') return null
    const key = `${name} ${source.url} ${set.postern.state.path}`
    const one = held.get(key) ?? begin(set, name, source.url)
    one.refreshMs = source.refreshMs
    held.set(key, one)
    return one
  }

  const fetched = async (one: Held): Promise<void> => {
    const before = one.list
    const reason = await refresh(context, one, slots).catch((error: unknown) => String(error))
    one.failed = reason
    one.failures = reason === null ? 0 : one.failures + 1
    if (reason !== null) {
      log.warn(
        { feed: one.name },
        `feed: ${reason}; ${one.list === null ? 'there is no list yet' : 'the last good list stays'}`,
      )
      emit({ stream: 'admin', action: 'feed-failed', feed: one.name, reason })
    }
    if (one.inForce) schedule(one)
    if (one.list === before) return
    memo = null
    if (one.inForce) context.changed()
  }
  const fetch = (one: Held): Promise<void> => {
    one.cancel()
    return (one.fetching ??= fetched(one).finally(() => {
      one.fetching = null
    }))
  }
  const schedule = (one: Held): void => {
    one.cancel()
    one.cancel = context.later(waitOf(one, clock.now(), context.random()), () => void fetch(one))
  }

  return {
    async prepare(set) {
      const feeds = (set.reputation?.feeds ?? []).flatMap((feed) => {
        const one = heldOf(set, feed)
        return one === null ? [] : [{ feed, one }]
      })
      const unknown = feeds.filter(({ one }) => one.list === null)
      await Promise.all(unknown.map(({ one }) => recalls(() => recall(context, one))))
      const first = feeds.filter(({ one }) => one.list === null).map(({ one }) => fetch(one))
      await within(FEED_FIRST_MS, 'first fetch', Promise.all(first)).catch(() => undefined)
      return feeds
        .filter(({ feed, one }) => one.list === null && blocksWithout(feed, set.reputation?.mode === 'enforce'))
        .map(({ feed, one }) => ({ feed, reason: one.failed ?? 'the server has not answered yet' }))
    },
    use(set) {
      tellOfFiles(policies, set, emit)
      policies = set
      memo = null
      const wanted = new Set((set.reputation?.feeds ?? []).map((feed) => heldOf(set, feed)))
      for (const [key, one] of held) {
        one.inForce = wanted.has(one)
        if (one.inForce) {
          if (one.fetching === null) schedule(one)
          continue
        }
        one.cancel()
        held.delete(key)
      }
    },
    gate(gate) {
      if (memo?.from === gate) return memo.gate
      const list = (name: string) => [...held.values()].find((one) => one.inForce && one.name === name)?.list ?? null
      memo = { from: gate, gate: { ...gate, reputation: gateOf(policies?.reputation ?? null, list) } }
      return memo.gate
    },
    states() {
      const { feeds, mode } = policies?.reputation ?? { feeds: [], mode: 'enforce' }
      return feeds.map((feed) => stateOf(feed, policies && heldOf(policies, feed), mode === 'enforce', clock.now()))
    },
    stop() {
      for (const one of held.values()) one.cancel()
    },
  }
}

function begin({ postern, folder }: Policies, name: string, url: string): Held {
  const { state, processes } = postern
  return {
    ...{ name, url, folder, state: state.path, user: processes.user },
    ...{ refreshMs: 0, list: null, note: null, failed: null, failures: 0, fetching: null, inForce: false },
    cancel: () => undefined,
  }
}

/** As verdicts print it: where the operator finds the line. */
function nameOf({ folder, state, name }: Held): string {
  return relative(folder, copyOf(state, name).text)
}

/** The copy of an earlier run, if it still is a feed. */
async function recall({ run, log }: FeedsContext, one: Held): Promise<void> {
  const copy = await readCopy(one.state, one.name, one.url)
  if (copy === null) return
  const made = await run({ do: 'feed', source: { name: nameOf(one), bytes: copy.body, digest: '' } }, one.user)
  if (made.at !== 'feed') {
    log.warn({ feed: one.name }, `feed: its copy on disk is no good: ${made.at === 'failed' ? made.reason : 'unknown'}`)
    return
  }
  one.list = made.list
  one.note = copy.note
}

/** One fetch. Gives why it failed, or null. */
async function refresh(context: FeedsContext, one: Held, slots: Slots): Promise<string | null> {
  const { clock, ca, run, emit } = context
  const { name, url, note } = one
  const { etag, lastModified } = note ?? { etag: null, lastModified: null }
  const made = await slots(() => run({ do: 'fetch', name: nameOf(one), url, etag, lastModified, ca }, one.user))
  const now = clock.now()
  if (made.at === 'failed') return made.reason
  if (made.at === 'not-modified' && note !== null) {
    one.note = { ...note, confirmed: now, shortSince: null }
    return keep(context, one, null)
  }
  if (made.at !== 'fetched') return 'the compiler sent what is no answer'
  const { entries, bad, covers } = made.feed
  if (note?.digest === made.digest) {
    one.note = { ...note, etag: made.etag, lastModified: made.lastModified, confirmed: now, shortSince: null }
    return keep(context, one, null)
  }
  if (covers.length > 0) return `the body covers all of ${covers.join(' and ')}`
  const shortSince = isShort(entries, note) ? (note?.shortSince ?? now) : null
  if (shortSince !== null && note !== null && now - shortSince < FEED_SHORT_ACCEPTED_MS) {
    one.note = { ...note, shortSince }
    await keep(context, one, null)
    return `the body is short: ${entries} networks, and there were ${note.entries}`
  }
  one.list = made.list
  one.note = {
    ...{ url, fetched: now, confirmed: now, entries, shortSince: null },
    ...{ etag: made.etag, lastModified: made.lastModified, digest: made.digest },
  }
  emit({ stream: 'admin', action: 'feed-updated', feed: name, entries, before: note?.entries ?? null, unread: bad })
  return keep(context, one, made.body)
}

/** A disk that is full takes nothing from the list in force. */
async function keep({ log }: FeedsContext, one: Held, body: Uint8Array | null): Promise<null> {
  if (one.note === null) return null
  await writeCopy(one.state, one.name, one.note, body).catch((error: unknown) => {
    log.warn(
      { feed: one.name },
      `feed: no copy could be written: ${error instanceof Error ? error.message : String(error)}`,
    )
  })
  return null
}

/** A file that changed is a feed that was updated, whoever wrote it. */
function tellOfFiles(before: Policies | null, after: Policies, emit: FeedsContext['emit']): void {
  for (const { name, source } of after.reputation?.feeds ?? []) {
    const old = before?.reputation?.feeds.find((feed) => feed.name === name)?.source
    if (source.from !== 'file' || old?.from !== 'file' || old.list === source.list) continue
    const { entries } = source
    emit({ stream: 'admin', action: 'feed-updated', feed: name, entries, before: old.entries, unread: 0 })
  }
}

type Slots = <T>(work: () => Promise<T>) => Promise<T>

/** Lets so many works run at a time; the others wait in line. */
function createSlots(count: number): Slots {
  let free = count
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
