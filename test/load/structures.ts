/** The structures that a list could be searched in, each made of the same networks. `postern` is the one that is built in. */
import { BlockList } from 'node:net'
import type { Address } from '../../src/base/ip.ts'
import { parseListFile, type ListEntry } from '../../src/compiler/list-file.ts'
import { compileLists } from '../../src/compiler/prefixes.ts'
import { find } from '../../src/gate/lookup.ts'

export type Has = (address: Address) => boolean
/** Needs the lines of a list; gives what searches it. */
type Structure = (lines: string[]) => Has

/** A generator that gives the same numbers each time: all structures get the same networks. */
export function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state ^ (state >>> 15)) >>> 0
  }
}

/** Networks as feeds have them: mostly /24 and single addresses, some wider. */
export function networks(count: number, family: 4 | 6 = 4): string[] {
  const next = numbers(count)
  const lengths = [32, 32, 32, 24, 24, 24, 22, 20, 16]
  const hex = () => (next() >>> 16).toString(16)
  return Array.from({ length: count }, () => {
    if (family === 6) return `2a${(next() >>> 24).toString(16).padStart(2, '0')}:${hex()}:${hex()}::/48`
    const length = lengths[next() % lengths.length] ?? 24
    const from = Math.floor(next() / 2 ** (32 - length)) * 2 ** (32 - length)
    return `${from >>> 24}.${(from >>> 16) & 255}.${(from >>> 8) & 255}.${from & 255}/${length}`
  })
}

const entriesOf = (lines: string[]): ListEntry[] => parseListFile(lines.join('\n')).entries
const wordOf = ({ words }: Address) => words[0] ?? 0

function compiled(lines: string[], indexed: boolean): Has {
  const made = compileLists([{ name: 'l', entries: entriesOf(lines) }])
  const list = indexed ? made : { ...made, v4Index: new Uint32Array(0) }
  return (address) => find(list, address, 0) !== null
}

/** One bit a step, two children a node, in one growing array. */
function bitTrie(lines: string[]): Has {
  let nodes = new Int32Array(1 << 16)
  let used = 1
  const END = -1
  for (const { range } of entriesOf(lines)) {
    const [from = 0, to = 0] = [range.from[0], range.to[0]]
    const length = 32 - Math.log2(to - from + 1)
    let node = 0
    for (let depth = 0; depth < length; depth++) {
      const at = node * 2 + ((from >>> (31 - depth)) & 1)
      if (nodes[at] === END) break
      if (depth === length - 1) nodes[at] = END
      else if (nodes[at] === 0) {
        nodes[at] = used++
        if (used * 2 >= nodes.length) nodes = concat(nodes, nodes.length)
      }
      node = nodes[at] ?? 0
    }
  }
  return (address) => {
    const word = wordOf(address)
    let node = 0
    for (let depth = 31; depth >= 0; depth--) {
      node = nodes[node * 2 + ((word >>> depth) & 1)] ?? 0
      if (node <= 0) return node === END
    }
    return false
  }
}

/** Tables of 16, 8 and 8 bits (as DIR-24-8 with a smaller root): three look-ups at most, and memory for every node. */
function tables(lines: string[]): Has {
  const root = new Int32Array(65_536)
  let nodes = new Int32Array(256 * 1_024)
  let used = 1
  const child = (table: Int32Array, at: number): number => {
    const now = table[at] ?? 0
    if (now > 0) return now
    if (used * 256 >= nodes.length) nodes = concat(nodes, nodes.length)
    nodes.fill(now, used * 256, (used + 1) * 256)
    table[at] = used
    return used++
  }
  for (const { range } of entriesOf(lines)) {
    const [from = 0, to = 0] = [range.from[0], range.to[0]]
    const size = to - from + 1
    if (size >= 65_536) root.fill(-1, from >>> 16, (to >>> 16) + 1)
    else {
      if (root[from >>> 16] === -1) continue
      const middle = child(root, from >>> 16) * 256
      if (size >= 256) nodes.fill(-1, middle + ((from >>> 8) & 255), middle + ((to >>> 8) & 255) + 1)
      else {
        const at = middle + ((from >>> 8) & 255)
        if (nodes[at] === -1) continue
        const [before] = [nodes[at] ?? 0]
        const last = before > 0 ? before : makeChild(at, before)
        nodes.fill(-1, last * 256 + (from & 255), last * 256 + (to & 255) + 1)
      }
    }
  }
  function makeChild(at: number, now: number): number {
    if (used * 256 >= nodes.length) nodes = concat(nodes, nodes.length)
    nodes.fill(now, used * 256, (used + 1) * 256)
    nodes[at] = used
    return used++
  }
  return (address) => {
    const word = wordOf(address)
    let step = root[word >>> 16] ?? 0
    if (step > 0) step = nodes[step * 256 + ((word >>> 8) & 255)] ?? 0
    if (step > 0) step = nodes[step * 256 + (word & 255)] ?? 0
    return step === -1
  }
}

function concat(array: Int32Array<ArrayBuffer>, more: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length + more)
  grown.set(array)
  return grown
}

function blockList(lines: string[]): Has {
  const list = new BlockList()
  for (const line of lines) {
    const [address = '', length = ''] = line.split('/')
    list.addSubnet(address, Number(length), 'ipv4')
  }
  return ({ text }) => list.check(text, 'ipv4')
}

function linear(lines: string[]): Has {
  const ranges = entriesOf(lines).map(({ range }) => [range.from[0] ?? 0, range.to[0] ?? 0] as const)
  return (address) => {
    const word = wordOf(address)
    return ranges.some(([from, to]) => from <= word && word <= to)
  }
}

export const STRUCTURES: Record<string, Structure> = {
  'sorted ranges + /16 index': (lines) => compiled(lines, true),
  'sorted ranges': (lines) => compiled(lines, false),
  'tables of 16-8-8 bits': tables,
  'bit trie': bitTrie,
  'net.BlockList': blockList,
  'linear scan': linear,
}
