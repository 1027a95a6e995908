import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Refusal } from '../../../src/base/refusal.ts'
import { enrollFrom } from '../../../src/cli/enrol-many.ts'
import { openControl } from '../../../src/keeper/control.ts'
import type { EnrolledMany } from '../../../src/keeper/enrol-many.ts'
import { writePolicies } from '../../support/running.ts'

let folder: string
let control: { close(): Promise<void> }
let answer: () => EnrolledMany
/** What lay in the folder of the sheets when the server was asked to enrol. */
let seen: string[]
const sheets = () => (existsSync(join(folder, 'sheets')) ? readdirSync(join(folder, 'sheets')) : [])

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-many-'))
  await writePolicies(folder, { backendPort: 1 })
  mkdirSync(join(folder, 'state'))
  writeFileSync(join(folder, 'people.txt'), 'ann\nbob\n')
  const handle = (command: string) => {
    if (command === 'user.enroll-plan') return { users: ['ann', 'bob'], skipped: [], faults: [] }
    seen = sheets()
    return answer()
  }
  control = await openControl(
    join(folder, 'state'),
    async (command) => Promise.resolve(handle(command)),
    () => undefined,
  )
})
afterAll(async () => {
  await control.close()
  rmSync(folder, { recursive: true })
})

const enroll = (out = 'sheets') =>
  enrollFrom({
    config: join(folder, 'policies/postern.yaml'),
    from: join(folder, 'people.txt'),
    out: join(folder, out),
    json: true,
  })

test('sheets are there before anybody is enrolled, and go when nobody was', async () => {
  answer = () => ({ enrolled: false, why: 'the disk under the store is full' })
  await expect(enroll()).rejects.toThrow('nobody was enrolled: the disk under the store is full')
  expect(seen.toSorted()).toEqual(['ann.html', 'bob.html'])
  expect(sheets()).toEqual([])
})

test('sheets stay when nobody knows whether they count: the server broke off, or the audit did', async () => {
  answer = () => {
    throw new Refusal('the line to the server broke before its answer')
  }
  await expect(enroll()).rejects.toThrow(/whether they are enrolled is not known: look with `postern user list`/)
  expect(sheets().toSorted()).toEqual(['ann.html', 'bob.html'])
})

test('a folder within one that is not there yet is made, for nobody else to read', async () => {
  answer = () => ({ enrolled: true, users: 2, replaced: 0 })
  await enroll('print/floor-2')
  const modes = ['print', 'print/floor-2'].map((name) => statSync(join(folder, name)).mode & 0o777)
  expect(modes).toEqual([0o700, 0o700])
})
