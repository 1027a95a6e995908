/** What is taken out smallest first; of equal ones, the one that was put in first. */
export type Heap<T> = {
  push(key: number, value: T): void
  /** Gives the smallest key, or null. */
  least(): number | null
  /** Takes out the value of the smallest key; undefined when empty. */
  pop(): T | undefined
  size(): number
}

type Entry<T> = { key: number; order: number; value: T }

/** Gives an empty one. It has no ceiling of its own: the caller does. */
export function createHeap<T>(): Heap<T> {
  const entries: Entry<T>[] = []
  let order = 0
  const isBefore = (a: number, b: number) => {
    const [one, other] = [entries[a], entries[b]]
    if (one === undefined || other === undefined) return one !== undefined
    return one.key === other.key ? one.order < other.order : one.key < other.key
  }
  const swap = (a: number, b: number) => {
    const [one, other] = [entries[a], entries[b]]
    if (one === undefined || other === undefined) return
    entries[a] = other
    entries[b] = one
  }
  const sink = (from: number) => {
    for (let at = from; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const child = isBefore(right, left) ? right : left
      if (!isBefore(child, at)) return
      swap(at, child)
      at = child
    }
  }
  return {
    push(key, value) {
      entries.push({ key, order: order++, value })
      for (let at = entries.length - 1; at > 0;) {
        const parent = (at - 1) >> 1
        if (!isBefore(at, parent)) return
        swap(at, parent)
        at = parent
      }
    },
    least: () => entries[0]?.key ?? null,
    pop() {
      const top = entries[0]
      const last = entries.pop()
      if (top === undefined || last === undefined || entries.length === 0) return top?.value
      entries[0] = last
      sink(0)
      return top.value
    },
    size: () => entries.length,
  }
}
