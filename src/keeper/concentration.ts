/**
 * Are the real addresses lost on the way? Behind a balancer that sends no PROXY header, or a router that translates, every client has
 * the address of that machine: the gate then judges all as one. It shows when one private or gateway address makes over half of all
 * connections.
 */
import { isPrivate, parseAddress } from '../base/ip.ts'
import { CONCENTRATION_KEYS_MAX, CONCENTRATION_LEAST, CONCENTRATION_WINDOW_MS } from '../base/gate-limits.ts'

/** `share`: what part of the connections of a stretch came from `ip`, 0 to 1. */
export type Share = { ip: string; share: number }

export type Concentration = {
  /** So many connections came from there. */
  note(ip: string, count: number, now: number): void
  /** The private or gateway address with the largest share; null while too few have come to say. */
  largest(now: number): Share | null
  /** What an operator is to be told, or null. */
  warning(now: number): string | null
}

type Stretch = { since: number; all: number; by: Map<string, number> }

/**
 * Needs the gateways of this machine, and what is done when addresses begin to be lost (called once for each address, until others
 * come again). Time is monotonic ms. A stretch counts until the next one has connections enough to say something itself.
 */
export function createConcentration(gateways: ReadonlySet<string>, lost: (warning: string) => void): Concentration {
  let present: Stretch = { since: 0, all: 0, by: new Map() }
  let before: Stretch | null = null
  let told: string | null = null

  const turn = (now: number) => {
    if (now - present.since < CONCENTRATION_WINDOW_MS) return
    // Told again only after a stretch without: a share that sways around the half is one matter.
    if (told !== null && (present.by.get(told) ?? 0) / present.all <= 0.5) told = null
    before = now - present.since < 2 * CONCENTRATION_WINDOW_MS && present.all >= CONCENTRATION_LEAST ? present : null
    present = { since: now, all: 0, by: new Map() }
  }
  const largest = (now: number): Share | null => {
    turn(now)
    const stretch = present.all >= CONCENTRATION_LEAST ? present : before
    if (stretch === null) return null
    let most: Share = { ip: '', share: 0 }
    for (const [ip, count] of stretch.by)
      if (count / stretch.all > most.share) most = { ip, share: count / stretch.all }
    return most
  }
  const warning = (now: number): string | null => {
    const most = largest(now)
    return most === null || most.share <= 0.5 ? null : wordsOf(most)
  }

  return {
    note(ip, count, now) {
      turn(now)
      present.all += count
      if (!isSuspect(ip, gateways)) return
      const sum = (present.by.get(ip) ?? 0) + count
      if (sum > count || present.by.size < CONCENTRATION_KEYS_MAX) present.by.set(ip, sum)
      const loses = present.all >= CONCENTRATION_LEAST && sum / present.all > 0.5
      if (loses && told !== ip) lost(wordsOf({ ip, share: sum / present.all }))
      if (loses) told = ip
    },
    largest,
    warning,
  }
}

function isSuspect(ip: string, gateways: ReadonlySet<string>): boolean {
  const address = parseAddress(ip)
  return address !== null && (isPrivate(address) || gateways.has(address.text))
}

function wordsOf({ ip, share }: Share): string {
  return (
    `${Math.round(share * 100)} % of the connections come from ${ip}: the real addresses are being lost on the way. ` +
    'Let the balancer send them (proxy_protocol_from), or the router keep them'
  )
}
