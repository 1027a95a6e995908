import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCursor } from '../../src/audit/cursor.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { LOGIN } from '../support/audit-events.ts'
import { auditFiles } from '../support/audit-stream.ts'

const step = fc.constantFrom('write', 'write', 'write', 'half', 'rotate', 'rotate', 'pack', 'pack', 'look', 'look')

test('following gives every line once and in order, however its files are rotated, packed and caught in the writing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.boolean(), async (steps, dropsRead) => {
      const folder = mkdtempSync(join(tmpdir(), 'postern-'))
      try {
        const files = auditFiles(folder)
        const told: string[] = []
        const cursor = createCursor(folder, 'auth', null, (file, what) => told.push(`${file} ${what}`))
        const wanted: string[] = []
        const given: string[] = []
        const look = async () => {
          for await (const lines of cursor.pass()) given.push(...lines.map(String))
        }
        let pending: string[] = []
        let at = 0
        for (const one of steps) {
          const event = { ...LOGIN, user: `user-${++at}` } as AuditEvent
          if (one === 'write') wanted.push(...pending.splice(0), files.write(event, at))
          else if (one === 'half') {
            wanted.push(...pending.splice(0))
            files.writeHalf(event, at)
            pending = [`user-${at}`]
          } else if (one === 'rotate') {
            wanted.push(...pending.splice(0))
            files.rotate('auth')
          } else if (one === 'pack') files.pack('auth')
          else {
            await look()
            // What was read may go.
            if (dropsRead) files.drop('auth')
          }
        }
        await look()
        await look()
        expect(given.map(userIn)).toEqual(wanted.map(userIn))
        expect(told).toEqual([])
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
    { numRuns: 30 },
  )
})

test('and also while files are renamed and packed in the midst of a look', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-'))
  try {
    const files = auditFiles(folder)
    const told: string[] = []
    const cursor = createCursor(folder, 'auth', null, (file, what) => told.push(`${file} ${what}`))
    const given: (string | undefined)[] = []
    const look = async () => {
      for await (const lines of cursor.pass()) given.push(...lines.map((line) => userIn(String(line))))
    }
    let isWriting = true
    const looking = (async () => {
      while (isWriting) await look()
    })()
    const wanted: string[] = []
    for (let i = 0; i < 400; i++) {
      files.write({ ...LOGIN, user: `user-${i}` } as AuditEvent, i)
      wanted.push(`user-${i}`)
      if (i % 3 === 0) files.rotate('auth')
      if (i % 4 === 0) files.pack('auth')
      await new Promise((resolve) => setImmediate(resolve))
    }
    isWriting = false
    await looking
    await look()
    expect(given).toEqual(wanted)
    expect(told).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const userIn = (line: string) => /user-\d+/.exec(line)?.[0]
