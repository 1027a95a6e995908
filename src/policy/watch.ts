/**
 * Watches the files of the policies by looking at them. Notifications of the system miss what happens on network file
 * systems, in containers' mounts and when a link is swapped; looking at twenty files costs next to nothing.
 */
import { within } from '../base/deadline.ts'
import { WATCH_EVERY_MS, WATCH_LOOK_DEADLINE_MS, WATCH_QUIET_MS } from '../base/limits.ts'
import { lookAt } from './read-file.ts'

/** A file, and its signature when it was read. A path where nothing is yet is watched as well. */
export type Watched = { path: string; signature: string }

export type Watch = {
  /** Watches these from now on: the files of the load that a change led to, taken up or refused. */
  set(files: readonly Watched[]): void
  stop(): void
}

/** What the watch needs of the world. Tests hand in their own. */
export type WatchTools = {
  /** Gives a file's signature. */
  look: (path: string) => Promise<string>
  /** Runs something once, later; gives what calls it off. */
  later: (ms: number, run: () => void) => () => void
  monotonic: () => number
}

const SYSTEM: WatchTools = {
  look: lookAt,
  later: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  monotonic: () => performance.now(),
}

/**
 * Needs the files and what to do once they have changed and then kept quiet for 500 ms. `changed` gets the paths that
 * differ from what was read. It is not called again for the same state of the files, whatever came of the first call.
 */
export function watchFiles(
  files: readonly Watched[],
  changed: (paths: string[]) => void,
  tools: WatchTools = SYSTEM,
): Watch {
  let read = new Map(files.map((file) => [file.path, file.signature]))
  let seen = new Map(read)
  let told = new Map(read)
  let quietSince = tools.monotonic()
  let stopped = false
  let cancel = tools.later(WATCH_EVERY_MS, round)

  /** One look at all files; the next is due only when this one is done. */
  function round(): void {
    const watched = seen
    void Promise.all([...watched.keys()].map((path) => look(path, watched.get(path) ?? '', tools))).then((looks) => {
      if (stopped) return
      // The set was replaced while this look was under way: what it saw is of the old one.
      if (watched === seen) take(new Map(looks))
      cancel = tools.later(WATCH_EVERY_MS, round)
    })
  }

  function take(now: Map<string, string>): void {
    if (!isSame(now, seen)) quietSince = tools.monotonic()
    seen = now
    if (isSame(now, told) || tools.monotonic() - quietSince < WATCH_QUIET_MS) return
    told = now
    changed([...now].flatMap(([path, signature]) => (signature === read.get(path) ? [] : [path])))
  }

  return {
    set: (next) => {
      read = new Map(next.map((file) => [file.path, file.signature]))
      seen = new Map(read)
      told = new Map(read)
    },
    stop: () => {
      stopped = true
      cancel()
    },
  }
}

/** A look that fails or takes too long says nothing new. */
async function look(path: string, before: string, tools: WatchTools): Promise<[string, string]> {
  const signature = await within(WATCH_LOOK_DEADLINE_MS, `looking at ${path}`, tools.look(path)).catch(() => before)
  return [path, signature]
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, signature]) => b.get(path) === signature)
}
