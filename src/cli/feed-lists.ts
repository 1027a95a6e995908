/** What the server last fetched of its feeds, for commands that judge by the policies on disk. */
import { relative } from 'node:path'
import { work } from '../compiler/job.ts'
import type { CompiledList } from '../gate/verdict.ts'
import { readCopy } from '../keeper/feed-copy.ts'
import type { Policies } from '../policy/load.ts'
import { copyOf } from '../policy/reputation.ts'

/** Needs policies without a fault; gives what tells the list of a feed by URL, null where there is no copy of it. */
export async function fetchedLists({
  reputation,
  postern,
  folder,
}: Policies): Promise<(name: string) => CompiledList | null> {
  const lists = new Map<string, CompiledList>()
  for (const { name, source } of reputation?.feeds ?? []) {
    const copy = source.from === 'url' ? await readCopy(postern.state.path, name, source.url) : null
    if (copy === null) continue
    const shown = relative(folder, copyOf(postern.state.path, name).text)
    const made = work({ do: 'feed', source: { name: shown, bytes: copy.body, digest: copy.note.digest } })
    if (made.at === 'feed') lists.set(name, made.list)
  }
  return (name) => lists.get(name) ?? null
}
