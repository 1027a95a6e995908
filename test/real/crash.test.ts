import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { crashRounds } from '../support/crash-rounds.ts'

/** Two seconds a round on a busy machine. */
const PATIENCE_MS = 900_000

test(
  '200 times killed at a random moment under load: after each start verify passes, and no login that was promised is missing',
  { timeout: PATIENCE_MS },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-crash-'))
    try {
      const { promised, missing, broken, findings, seals, files } = await crashRounds(folder, 200, 300)
      expect({ missing, broken, findings }).toEqual({ missing: [], broken: [], findings: [] })
      // The rounds met what they are meant to meet.
      expect(promised).toBeGreaterThan(2_000)
      expect([seals, files].map((count) => count > 20)).toEqual([true, true])
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
