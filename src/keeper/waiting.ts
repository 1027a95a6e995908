/**
 * Who has not logged in yet, over all fronts: counted by address and by network. The busiest network and its oldest connection are
 * found without a search, because they are asked for at every connection when the house is nearly full.
 */

export type Waiter = { id: string; ip: string; network: string }

export type Waiting = {
  enter(waiter: Waiter): void
  /** Logged in, or gone. Does nothing the second time. */
  leave(id: string): void
  /** How many wait from an address, and from a network. */
  at(ip: string): number
  within(network: string): number
  /** The network with most waiting connections, how many they are, and the oldest of them; null when nobody waits. */
  busiest(): { network: string; count: number; oldest: string } | null
}

/** Gives an empty waiting room. It holds what is put into it: the caller has the ceiling. */
export function createWaiting(): Waiting {
  const waiters = new Map<string, Waiter>()
  const addresses = new Map<string, number>()
  /** Ids by network, the oldest first. */
  const networks = new Map<string, Set<string>>()
  /** Networks by how many wait from them. */
  const ranks: Set<string>[] = []
  let top = 0

  const rank = (network: string, before: number, now: number) => {
    ranks[before]?.delete(network)
    if (now > 0) (ranks[now] ??= new Set()).add(network)
    if (now > top) top = now
    while (top > 0 && (ranks[top]?.size ?? 0) === 0) top--
  }

  return {
    enter(waiter) {
      const { id, ip, network } = waiter
      const ids = networks.get(network) ?? new Set()
      networks.set(network, ids)
      ids.add(id)
      waiters.set(id, waiter)
      addresses.set(ip, (addresses.get(ip) ?? 0) + 1)
      rank(network, ids.size - 1, ids.size)
    },
    leave(id) {
      const waiter = waiters.get(id)
      if (waiter === undefined) return
      const { ip, network } = waiter
      waiters.delete(id)
      const left = (addresses.get(ip) ?? 1) - 1
      if (left > 0) addresses.set(ip, left)
      else addresses.delete(ip)
      const ids = networks.get(network)
      ids?.delete(id)
      if (ids?.size === 0) networks.delete(network)
      rank(network, (ids?.size ?? 0) + 1, ids?.size ?? 0)
    },
    at: (ip) => addresses.get(ip) ?? 0,
    within: (network) => networks.get(network)?.size ?? 0,
    busiest() {
      const [network] = ranks[top] ?? []
      const [oldest] = networks.get(network ?? '') ?? []
      return network === undefined || oldest === undefined ? null : { network, count: top, oldest }
    },
  }
}
