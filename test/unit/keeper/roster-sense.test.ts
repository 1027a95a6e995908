import { describe, expect, test } from 'vitest'
import { looseDomains, renamedUsers, sharedMailboxes } from '../../../src/keeper/roster-sense.ts'
import type { Policies } from '../../../src/policy/load.ts'
import { parseRoster } from '../../../src/policy/roster.ts'
import type { UserState } from '../../../src/state/store.ts'

type Wanted = { roster: string | null; username?: string; requiredFor?: 'all' | 'enrolled'; domains?: string[] }

async function policies({
  roster,
  username = '{user}',
  requiredFor = 'enrolled',
  domains = ['*'],
}: Wanted): Promise<Policies> {
  const users = { default_domain: null, strip_prefix: [], roster: null }
  return {
    login: { users, second_factor: { required_for: requiredFor, not_required_from: [] }, exceptions: [] },
    postern: {
      listeners: [],
      backends: [
        { name: 'old', domains, username },
        { name: 'other', domains: ['*'], username },
      ],
    },
    roster: roster === null ? null : (await parseRoster(roster, users)).names,
    tell: (file: string, path: string[], message: string) => `${file} ${path.join('.')} ${message}`,
  } as unknown as Policies
}
const known =
  (...users: [string, UserState][]) =>
  () =>
    Promise.resolve(users.map(([name, state]) => ({ name, state })))

describe('one mailbox', () => {
  test.each<[string, Wanted, number]>([
    [
      'two domains, and the old server hears neither',
      { roster: 'ann@a.example\nann@b.example', username: '{local}' },
      1,
    ],
    ['as aliases of each other', { roster: 'ann@a.example ann@b.example', username: '{local}' }, 0],
    ['a name with and without its domain', { roster: 'ann\nann@a.example', username: '{local}' }, 1],
    ['the old server hears the domain', { roster: 'ann@a.example\nann@b.example' }, 0],
    ['two old servers', { roster: 'ann@a.example\nann@b.example', username: '{local}', domains: ['a.example'] }, 0],
    ['everybody has a code', { roster: 'ann@a.example\nann@b.example', username: '{local}', requiredFor: 'all' }, 0],
    ['no roster', { roster: null, username: '{local}' }, 0],
  ])('of two users: %s', async (_, wanted, faults) => {
    expect(await sharedMailboxes(await policies(wanted))).toHaveLength(faults)
  })

  test('is told with both names and what to do', async () => {
    const shared = await policies({ roster: 'ann@a.example\nann@b.example', username: '{local}' })
    expect(await sharedMailboxes(shared)).toEqual([
      "login.yaml users.roster has ann@a.example and ann@b.example apart, who are one mailbox: write one as the other's alias",
    ])
  })
})

describe('a name that became an alias', () => {
  test.each<[UserState, number]>([
    ['enrolled', 1],
    ['pending', 1],
    ['frozen', 1],
    ['none', 0],
  ])('of a user who is %s', async (state, faults) => {
    expect(await renamedUsers(await policies({ roster: 'annie ann\nbob' }), known(['ann', state]))).toHaveLength(faults)
  })

  test('of the same mailbox by another domain is a fault too', async () => {
    const moved = async (username: string) =>
      renamedUsers(await policies({ roster: 'ann@new.example', username }), known(['ann@old.example', 'enrolled']))
    expect(await moved('{local}')).toEqual([
      'login.yaml users.roster has ann@new.example, whose mailbox is that of ann@old.example, who is enrolled: write ann@old.example first in that line',
    ])
    expect(await moved('{user}')).toEqual([])
  })

  test('is no fault where it is first, not there, or there is no roster', async () => {
    const users = known(['ann', 'enrolled'], ['gone', 'frozen'])
    expect(await renamedUsers(await policies({ roster: 'ann annie' }), users)).toEqual([])
    expect(await renamedUsers(await policies({ roster: null }), users)).toEqual([])
  })
})

test.each<[string, Wanted, number]>([
  ['with a roster', { roster: 'ann', username: '{local}' }, 0],
  ['without one, and every domain', { roster: null, username: '{local}' }, 2],
  ['without one, where the old server hears the domain', { roster: null, username: '{local}+{domain}' }, 0],
])('an old server that hears the local part alone is warned of: %s', async (_, wanted, warnings) => {
  expect(looseDomains(await policies(wanted))).toHaveLength(warnings)
})
