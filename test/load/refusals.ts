/**
 * `npm run bench -- refusals [at-once] [slow] [slower]`: does the time of a refusal tell its cause? Unknown user, wrong
 * password, wrong code, locked and stale repeat, mixed in chance order, from a client that measures from PASS to the answer.
 *
 *  - at-once: an old server that refuses at once
 *  - slow: one that takes 2 s, and the 3 s of the shipped policy cover that
 *  - slower: one that takes 2 s and up to 200 ms more, where `reply_after` is 1 s, so that its measured p99 counts
 *
 * Two kinds are told apart when one is slower in more (or fewer) than half of all pairs of them: the AUC of Mann and Whitney.
 * With ten comparisons, a range of 99.5 % each holds 0.5 in 95 of 100 runs when there is nothing to tell.
 */
import { randomInt } from 'node:crypto'
import { startPostern, type Running } from '../support/running.ts'
import { many, session } from './clients.ts'
import { lateServer } from './late-server.ts'
import { auc, ks } from './statistics.ts'
import { median, printTable } from './table.ts'

const USERS = 120
const AT_ONCE = 40
const KINDS = ['unknown user', 'wrong password', 'wrong code', 'locked', 'stale repeat'] as const
type Kind = (typeof KINDS)[number]
type Try = { kind: Kind; user: string; secret: string; from: string }

const STANDS: Record<string, { replyAfter: string; refuseAfter: () => number; about: string }> = {
  'at-once': { replyAfter: '3s', refuseAfter: () => 0, about: 'the old server refuses at once; reply_after 3 s' },
  slow: { replyAfter: '3s', refuseAfter: () => 2_000, about: 'it takes 2 s to refuse; reply_after 3 s' },
  slower: {
    replyAfter: '1s',
    refuseAfter: () => 2_000 + randomInt(200),
    about: 'it takes 2.0 to 2.2 s; reply_after 1 s',
  },
}

/** Runs the parts that are named, or all. */
export async function run(parts: string[]): Promise<void> {
  for (const part of parts.length === 0 ? Object.keys(STANDS) : parts) {
    const stand = STANDS[part]
    if (stand === undefined) throw new Error(`no such part: ${part}; there are ${Object.keys(STANDS).join(', ')}`)
    const times = await measure(stand.replyAfter, stand.refuseAfter)
    print(stand.about, times)
  }
}

const userOf = (n: number) => `user${n}@example.com`
/** A network of its own for each: none of them is to be locked by what others do. */
const placeOf = (n: number) => `127.${20 + (n >> 8)}.${n & 255}.7`
const LOCKED_PLACE = '127.99.1.7'

async function measure(replyAfter: string, refuseAfter: () => number): Promise<Map<Kind, number[]>> {
  const behind = await lateServer('secret', refuseAfter)
  const postern = await startPostern({
    backendPort: behind.port,
    postern: { admin: { listen: 'off' }, log: { level: 'error' }, limits: { login_time: '120s' } },
    login: { failures: { reply_after: replyAfter } },
  })
  try {
    for (let n = 0; n <= USERS; n++) await postern.enroll(userOf(n))
    await many(40, AT_ONCE, (n) => refused(postern, wrongPassword(postern, n, 'warm-up')))
    // One to be locked, and the strings that are stale later.
    await many(10, 10, (n) =>
      refused(postern, { kind: 'locked', user: userOf(USERS), secret: `x${n}`, from: LOCKED_PLACE }),
    )
    await many(USERS, AT_ONCE, (n) => refused(postern, stale(n)))
    const tries = shuffled(Array.from({ length: USERS }, (_, n) => triesOf(postern, n)).flat())
    const times = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]))
    await many(tries.length, AT_ONCE, async (i) => {
      const one = tries[i]?.()
      if (one !== undefined) times.get(one.kind)?.push(await refused(postern, one))
    })
    prove(postern)
    return times
  } finally {
    await postern.close()
    behind.close()
  }
}

function triesOf(postern: Running, n: number): (() => Try)[] {
  return [
    () => ({ kind: 'unknown user', user: `nobody${n}@example.com`, secret: `secret${n}`, from: placeOf(1_000 + n) }),
    // The code is made when it is typed.
    () => wrongPassword(postern, n, 'bad'),
    () => ({ kind: 'wrong code', user: userOf(n), secret: 'secret000000', from: placeOf(2_000 + n) }),
    () => ({ kind: 'locked', user: userOf(USERS), secret: `guess${n}`, from: LOCKED_PLACE }),
    () => stale(n),
  ]
}

function wrongPassword(postern: Running, n: number, word: string): Try {
  return { kind: 'wrong password', user: userOf(n), secret: `${word}${n}${postern.code(userOf(n))}`, from: placeOf(n) }
}

const stale = (n: number): Try => ({ kind: 'stale repeat', user: userOf(n), secret: 'old', from: placeOf(3_000 + n) })

/** Gives how long the answer to PASS took, in ms. Throws for any answer but the one refusal. */
async function refused({ port }: Running, { user, secret, from }: Try): Promise<number> {
  let started = 0
  try {
    await session({ port, from }, user, secret, () => {
      started = performance.now()
    })
  } catch (error) {
    const took = performance.now() - started
    if (error instanceof Error && error.message.startsWith('-ERR [AUTH]')) return took
    throw error
  }
  throw new Error(`${user} got in`)
}

/** Each kind was what it is called. */
function prove(postern: Running): void {
  const reasons = new Map<string, number>()
  for (const { event } of postern.audit('auth'))
    reasons.set(event.reason ?? '', (reasons.get(event.reason ?? '') ?? 0) + 1)
  for (const reason of ['unknown-user', 'password-wrong', 'code-wrong', 'locked', 'stale-repeat'])
    if ((reasons.get(reason) ?? 0) < USERS) throw new Error(`${reason}: ${reasons.get(reason) ?? 0} of ${USERS}`)
}

function shuffled<T>(all: T[]): T[] {
  const left = [...all]
  return all.map(() => left.splice(randomInt(left.length), 1)).flat()
}

function print(about: string, times: Map<Kind, number[]>): void {
  const ms = (figure: number | undefined) => (figure ?? NaN).toFixed(1)
  const rows = [...times].map(([kind, all]) => {
    const sorted = all.toSorted((a, b) => a - b)
    return [kind, String(all.length), ms(sorted[0]), ms(median(all)), ms(sorted.at(-1))]
  })
  printTable(`Refusals: ${about} (ms)`, ['cause', 'number', 'least', 'median', 'most'], rows)
  const pairs = KINDS.flatMap((a, i) => KINDS.slice(i + 1).map((b) => [a, b] as const))
  printTable(
    'Told apart?',
    ['two causes', 'AUC', 'range of 99.5 %', 'KS distance', 'critical', 'told apart'],
    pairs.map(([a, b]) => {
      const [x, y] = [times.get(a) ?? [], times.get(b) ?? []]
      const { area, low, high } = auc(x, y)
      const { distance, critical } = ks(x, y)
      const isTold = low > 0.5 || high < 0.5 || distance > critical
      const range = `${low.toFixed(2)} to ${high.toFixed(2)}`
      return [`${a} / ${b}`, area.toFixed(3), range, distance.toFixed(3), critical.toFixed(3), isTold ? 'YES' : 'no']
    }),
  )
}
