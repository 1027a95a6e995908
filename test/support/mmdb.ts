/** Writes MaxMind databases (format 2.0) for tests: small, of any shape, and broken on purpose. */
import { parseRange } from '../../src/base/ip.ts'

export type Value = string | number | { [key: string]: Value }

export type Shape = {
  ipVersion?: 4 | 6
  recordSize?: 24 | 28 | 32
  /** Seconds since 1970. */
  built?: number
  type?: string
  /** Prefixes that lead to the node where IPv4 starts, as MaxMind's own databases have them. */
  aliases?: readonly string[]
}

type Node = { left: Leaf | Node | null; right: Leaf | Node | null }
type Leaf = { data: Value }

/** Needs networks (later ones lie over earlier ones) and what the database says of each. */
export function mmdb(entries: readonly (readonly [string, Value])[], shape: Shape = {}): Buffer {
  const { ipVersion = 6, recordSize = 24 } = shape
  const root: Node = { left: null, right: null }
  for (const [network, data] of entries) place(root, bitsOf(network, ipVersion), { data })
  for (const alias of shape.aliases ?? []) place(root, bitsOf(alias, 6), find(root, '0'.repeat(96)))
  const { tree, data } = write(root, recordSize)
  return Buffer.concat([tree.bytes, Buffer.alloc(16), data, metadata(tree.nodes, shape)])
}

/** The end of a database: for those whose tree a test makes itself. */
export function metadata(
  nodes: number,
  { ipVersion = 6, recordSize = 24, built, type = 'Test-Country' }: Shape,
): Buffer {
  const facts: Value = {
    node_count: nodes,
    record_size: recordSize,
    ip_version: ipVersion,
    database_type: type,
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: built ?? Math.floor(Date.now() / 1_000),
  }
  return Buffer.concat([Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), encode(facts)])
}

/** IPv4 lies at ::/96 of an IPv6 tree. */
function bitsOf(network: string, ipVersion: 4 | 6): string {
  const range = parseRange(network)
  if (!range.ok) throw new Error(network)
  const { family, from, to } = range.value
  const bits = from.map((word) => word.toString(2).padStart(32, '0')).join('')
  const ends = to.map((word) => word.toString(2).padStart(32, '0')).join('')
  let length = 0
  while (length < bits.length && bits[length] === ends[length]) length++
  const own = bits.slice(0, length)
  return family === 4 && ipVersion === 6 ? '0'.repeat(96) + own : own
}

function place(root: Node, bits: string, what: Node | Leaf): void {
  let node = root
  for (const [at, bit] of [...bits].entries()) {
    const side = bit === '0' ? 'left' : 'right'
    if (at === bits.length - 1) {
      node[side] = what
      return
    }
    const next = node[side]
    const inner: Node = next !== null && 'left' in next ? next : { left: next, right: next }
    node[side] = inner
    node = inner
  }
}

function find(root: Node, bits: string): Node | Leaf {
  let node: Node | Leaf = root
  for (const bit of bits) {
    const next: Node | Leaf | null = 'left' in node ? (bit === '0' ? node.left : node.right) : null
    if (next === null) throw new Error('no IPv4 in this tree')
    node = next
  }
  return node
}

function write(root: Node, recordSize: 24 | 28 | 32) {
  const nodes: Node[] = []
  const numbers = new Map<Node, number>()
  const visit = (node: Node) => {
    if (numbers.has(node)) return
    numbers.set(node, nodes.length)
    nodes.push(node)
    for (const child of [node.left, node.right]) if (child !== null && 'left' in child) visit(child)
  }
  visit(root)
  const places = new Map<string, number>()
  const parts: Buffer[] = []
  let length = 0
  const dataAt = (data: Value) => {
    const key = JSON.stringify(data)
    const known = places.get(key)
    if (known !== undefined) return known
    const bytes = encode(data)
    places.set(key, length)
    parts.push(bytes)
    length += bytes.length
    return length - bytes.length
  }
  const record = (child: Node | Leaf | null) => {
    if (child === null) return nodes.length
    return 'left' in child ? (numbers.get(child) ?? 0) : nodes.length + 16 + dataAt(child.data)
  }
  const bytes = nodes.map((node) => encodeNode(record(node.left), record(node.right), recordSize))
  return { tree: { bytes: Buffer.concat(bytes), nodes: nodes.length }, data: Buffer.concat(parts) }
}

/** One node of the tree, from its two records. */
export function encodeNode(left: number, right: number, recordSize: 24 | 28 | 32): Buffer {
  const node = Buffer.alloc(recordSize / 4)
  if (recordSize === 32) {
    node.writeUInt32BE(left, 0)
    node.writeUInt32BE(right, 4)
    return node
  }
  node.writeUIntBE(left & 0xffffff, 0, 3)
  node.writeUIntBE(right & 0xffffff, recordSize === 24 ? 3 : 4, 3)
  if (recordSize === 28) node[3] = ((left >>> 24) << 4) | (right >>> 24)
  return node
}

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(value))
    const short = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
    const type = value > 0xffffffff ? 9 : 6
    return value === 0 ? control(6, 0) : Buffer.concat([control(type, short.length), short])
  }
  const pairs = Object.entries(value)
  return Buffer.concat([control(7, pairs.length), ...pairs.flatMap(([key, inner]) => [encode(key), encode(inner)])])
}

function control(type: number, size: number): Buffer {
  const [first, more] = size < 29 ? [size, []] : [29, [size - 29]]
  return type < 8 ? Buffer.of((type << 5) | first, ...more) : Buffer.of(first, type - 7, ...more)
}
