import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { chain, GENESIS, type Head } from '../../src/audit/chain.ts'
import { bodyOf } from '../../src/audit/line.ts'
import { evolve, makeKeys, makeSeal, packKeys, unpackKeys, type SealKeys } from '../../src/audit/seal-keys.ts'
import { createSealCheck } from '../../src/audit/seal-proof.ts'
import { verifyStream } from '../../src/audit/verify.ts'
import { LOGIN } from '../support/audit-events.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const AT = Date.parse('2027-01-31T12:00:00Z')
const EVERY = 5
const LINES = 30

type Body = { text: string } | { seal: true }
const bodies: Body[] = Array.from({ length: LINES }, (_, n) =>
  n % EVERY === EVERY - 1 ? { seal: true } : { text: bodyOf({ ...LOGIN, user: `user-${n}` } as typeof LOGIN, AT) },
)

/** Writes the lines from `head` on; a seal is what `seal` makes of it. */
function written(from: readonly Body[], head: Head, seal: (before: Head) => string): string[] {
  return from.map((body) => {
    const next = chain('text' in body ? body.text : seal(head), head)
    head = next.head
    return next.line
  })
}

function sealBody(keys: SealKeys, before: Head, interval?: number): string {
  const at = new Date(AT).toISOString()
  const seal = makeSeal(keys, { stream: 'auth', seq: before.seq + 1, prev: before.prev, at }, true)
  const event = {
    stream: 'auth',
    action: 'audit-sealed',
    seal: { ...seal, interval: interval ?? seal.interval },
  } as const
  return bodyOf(event, AT)
}

const keys = makeKeys()
const anchor = Buffer.from(keys.anchor)
const lines = written(bodies, GENESIS, (before) => {
  const body = sealBody(keys, before)
  evolve(keys)
  return body
})
const stolen = packKeys(keys)

async function verify(all: readonly string[]) {
  const path = join(folder, 'auth.jsonl')
  writeFileSync(path, all.join(''))
  return verifyStream([{ path, first: null }], { stream: 'auth', seals: createSealCheck([anchor]) })
}

const attack = fc.record({
  at: fc.nat({ max: LINES - 1 }),
  does: fc.constantFrom('edit', 'remove', 'insert', 'swap'),
  seals: fc.constantFrom('kept', 'forged', 'forged for their interval', 'left out'),
})

test('whatever is done to a sealed line with the chain made anew behind it and the last keys in hand, it shows', async () => {
  expect(await verify(lines)).toMatchObject({ at: 'whole', sealed: { seq: LINES } })
  await fc.assert(
    fc.asyncProperty(attack, async ({ at, does, seals }) => {
      fc.pre('text' in (bodies[at] ?? {}))
      const forged = { text: bodyOf({ ...LOGIN, user: 'mallory' } as typeof LOGIN, AT) }
      const changed =
        does === 'edit'
          ? bodies.with(at, forged)
          : does === 'remove'
            ? bodies.toSpliced(at, 1)
            : does === 'insert'
              ? bodies.toSpliced(at, 0, forged)
              : bodies.toSpliced(at, 1).toSpliced(at + 1, 0, bodies[at] ?? forged)
      const rest = changed.slice(at).filter((body) => seals !== 'left out' || 'text' in body)
      const before = at === 0 ? GENESIS : headOf(lines[at - 1] ?? '')
      let interval = Math.floor(at / EVERY)
      const mine = unpackKeys(stolen)
      const old = lines.filter((_, n) => n % EVERY === EVERY - 1).map(bodyAgain)
      const anew = written(rest, before, (head) => {
        const now = interval++
        if (seals === 'kept') return old[now] ?? ''
        return sealBody(mine, head, seals === 'forged' ? undefined : now)
      })
      // Without seals nothing but what was noted elsewhere can tell: the server's next seal comes too late in the order.
      const end =
        seals === 'left out' ? written([{ seal: true }], headOf(anew.at(-1) ?? lines[at - 1] ?? ''), (head) => sealBody(mine, head)) : [] // prettier-ignore
      const found = await verify([...lines.slice(0, at), ...anew, ...end])
      expect(found.at).toBe('broken')
      if (found.at === 'broken') expect(found.line).toBeGreaterThan(at)
    }),
    { numRuns: 60 },
  )
})

function headOf(line: string): Head {
  const { chain: link } = JSON.parse(line) as { chain: { seq: number; hash: string } }
  return { seq: link.seq, prev: link.hash }
}

function bodyAgain(line: string): string {
  const { chain: _, ...body } = JSON.parse(line) as { chain: unknown }
  return JSON.stringify(body)
}
