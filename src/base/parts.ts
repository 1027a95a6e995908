/**
 * Large typed arrays travel apart from what names them: between processes they go as plain octets, in pieces and once,
 * and not inside every message that speaks of them.
 */

/** The typed arrays that compiled lists and databases are made of. */
export type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

/** What stands in the place of an array that travels apart. */
export type PartRef = { '@part': number; of: string }

const KINDS = new Map<string, (bytes: Uint8Array<ArrayBuffer>) => Numbers>([
  ['Uint8Array', (bytes) => bytes],
  ['Uint16Array', ({ buffer }) => new Uint16Array(buffer)],
  ['Uint32Array', ({ buffer }) => new Uint32Array(buffer)],
  ['Int32Array', ({ buffer }) => new Int32Array(buffer)],
  ['Float64Array', ({ buffer }) => new Float64Array(buffer)],
])

/** Needs plain data and what gives an array its number, or null for one that stays; gives a copy with references. */
export function takeApart(value: unknown, numberOf: (array: Numbers) => number | null): unknown {
  if (ArrayBuffer.isView(value)) {
    const number = numberOf(value as Numbers)
    return number === null ? value : { '@part': number, of: kindOf(value as Numbers) }
  }
  return over(value, (inner) => takeApart(inner, numberOf))
}

/**
 * Needs what {@link takeApart} gave and what gives the octets of a number, each in a buffer of its own; gives the data as
 * it was. Throws when an array is of no known kind, or its octets do not fill it.
 */
export function putTogether(value: unknown, bytesOf: (number: number) => Uint8Array<ArrayBuffer>): unknown {
  if (isRef(value)) {
    const make = KINDS.get(value.of)
    if (make === undefined) throw new Error('an array of an unknown kind')
    return make(bytesOf(value['@part']))
  }
  return over(value, (inner) => putTogether(inner, bytesOf))
}

/** The octets of an array, without a copy. */
export function bytesOf(array: Numbers): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function isRef(value: unknown): value is PartRef {
  return typeof value === 'object' && value !== null && '@part' in value && typeof value['@part'] === 'number'
}

function kindOf(array: Numbers): string {
  for (const kind of KINDS.keys()) if (kind !== 'Uint8Array' && array.constructor.name === kind) return kind
  return 'Uint8Array'
}

/** Only lists and plain sections are walked: what else is in there goes on as it is. */
function over(value: unknown, change: (inner: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change)
  if (typeof value !== 'object' || value === null) return value
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && proto !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]))
}
