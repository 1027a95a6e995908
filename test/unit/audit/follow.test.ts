import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { createTails, type Tails } from '../../../src/audit/follow.ts'
import { LOGIN } from '../../support/audit-events.ts'
import { auditFiles, type Written } from '../../support/audit-stream.ts'

const NOON = Date.UTC(2026, 10, 21, 12)

let folder: string
let files: Written
let tails: Tails
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-'))
  files = auditFiles(folder)
  tails = createTails(folder)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const write = () => Buffer.from(`${files.write(LOGIN as AuditEvent, NOON)}\n`)

describe('a reader that is behind', () => {
  test('is given no line that is in the file and not yet on the disk for certain, and none twice because of it', async () => {
    const cursor = tails.follow('auth', () => undefined)
    write()
    write()
    tails.written('auth', [write()])
    const fourth = write()
    expect(await cursor.read(0, 1e6)).toMatchObject({ through: 3, lost: 0 })
    expect(await cursor.read(3, 1e6)).toBe(null)
    tails.written('auth', [fourth])
    expect(await cursor.read(3, 1e6)).toMatchObject({ through: 4, lost: 0 })
    expect(await cursor.read(4, 1e6)).toBe(null)
    cursor.close()
  })
})
