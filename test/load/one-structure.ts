/** Measures one structure in a process of its own, so that its memory is its own: `node one-structure.ts NAME COUNT FAMILY`, JSON out. */
import { parseAddress, type Address } from '../../src/base/ip.ts'
import { networks, numbers, STRUCTURES } from './structures.ts'

const [name = '', count = '0', family = '4'] = process.argv.slice(2)
const build = STRUCTURES[name]
if (build === undefined) throw new Error(`no such structure: ${name}`)
const isIpv6 = family === '6'
const lines = networks(Number(count), isIpv6 ? 6 : 4)

const next = numbers(7)
const group = () => (next() >>> 16).toString(16)
const random = () => {
  if (isIpv6) return `2a${(next() >>> 24).toString(16).padStart(2, '0')}:${group()}:${group()}::1`
  const word = next()
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}
// Half of them are in the list, as in a flood; the others are anybody.
const asked = Array.from({ length: 65_536 }, (_, i): Address => {
  const text = i % 2 === 0 ? (lines[next() % lines.length]?.split('/')[0] ?? '') : random()
  const address = parseAddress(text)
  if (address === null) throw new Error(`no address: ${text}`)
  return address
})

const used = () => {
  globalThis.gc?.()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  return { rss, own: heapUsed + arrayBuffers }
}
const before = used()
const started = performance.now()
const has = build(lines)
const buildMs = performance.now() - started
const after = used()

let hits = 0
let lookups = 0
let tookMs = 0
// The first round warms up.
for (let round = 0; round < 2; round++) {
  const start = performance.now()
  lookups = 0
  hits = 0
  do {
    // A few at a time: a linear scan takes a millisecond for each.
    for (let i = 0; i < 64; i++) if (has(asked[(lookups + i) & 65_535] as Address)) hits++
    lookups += 64
    tookMs = performance.now() - start
  } while (tookMs < 700)
}
// What BlockList holds is outside of the heap.
const own = name === 'net.BlockList' ? after.rss - before.rss : after.own - before.own
const result = { perSecond: (lookups / tookMs) * 1_000, buildMs, bytes: own, share: hits / lookups }
process.stdout.write(JSON.stringify(result))
