/** Several streams as one, in the order of time. */
import type { Stream } from './events.ts'
import { timeOf } from './recorded.ts'

export type Merged = { stream: Stream; line: Buffer }

type Source = { stream: Stream; batches: AsyncIterator<Buffer[]>; lines: Buffer[]; at: number; time: string }

/**
 * Needs the lines of each stream in their order. Gives all of them by their times, in batches; lines of one moment come in the order
 * that the streams are named in. A line without a time goes with the one before it.
 */
export async function* mergeByTime(streams: ReadonlyMap<Stream, AsyncIterable<Buffer[]>>): AsyncGenerator<Merged[]> {
  const all = [...streams].map(([stream, batches]): Source => {
    return { stream, batches: batches[Symbol.asyncIterator](), lines: [], at: 0, time: '' }
  })
  try {
    let sources: Source[] = []
    for (const source of all) if (await refill(source)) sources.push(source)
    let out: Merged[] = []
    while (sources.length > 0) {
      const source = earliest(sources)
      const line = source.lines[source.at]
      if (line !== undefined) out.push({ stream: source.stream, line })
      source.at++
      if (source.at < source.lines.length) note(source)
      else {
        yield out
        out = []
        if (!(await refill(source))) sources = sources.filter((one) => one !== source)
      }
    }
  } finally {
    for (const { batches } of all) await batches.return?.()
  }
}

function earliest(sources: readonly Source[]): Source {
  return sources.reduce((first, one) => (one.time < first.time ? one : first))
}

async function refill(source: Source): Promise<boolean> {
  for (;;) {
    const next = await source.batches.next()
    if (next.done === true) return false
    if (next.value.length === 0) continue
    source.lines = next.value
    source.at = 0
    note(source)
    return true
  }
}

function note(source: Source): void {
  const line = source.lines[source.at]
  source.time = (line === undefined ? null : timeOf(line)) ?? source.time
}
