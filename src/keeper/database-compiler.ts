/** Starts the compiler of databases: a process for one question, with no right but to read code and to reach out. */
import type { FileHandle } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { COMPILER_HEADER_MAX, DATABASE_HEAP_MIB, DATABASE_TABLE_MAX } from '../base/gate-limits.ts'
import { faulty } from '../base/parsed.ts'
import { readDatabaseAnswer } from '../compiler/database-answer.ts'
import type { DatabaseAnswer, DatabaseQuestion } from '../compiler/database-process.ts'
import { askApart } from './apart.ts'
import { CODE } from './powerless.ts'
import type { Identity } from './supervise.ts'

const BUILT = import.meta.url.endsWith('.js')
const PROGRAM = fileURLToPath(
  new URL(BUILT ? '../compiler/database-process.js' : '../compiler/database-process.ts', import.meta.url),
)

/** Needs the question, the file that it is about (open for what the question does to it) and a deadline in ms. Never rejects. */
export type CompileDatabase = (
  question: DatabaseQuestion,
  file: FileHandle,
  deadlineMs: number,
) => Promise<DatabaseAnswer>

/**
 * Needs whom the process becomes; null when the keeper has no root to give up. `program`: for tests, what runs in its place
 * with its powers.
 */
export function databaseCompiler(
  identity: Identity | null,
  program?: { file: string; folder: string },
): CompileDatabase {
  return async (question, file, deadlineMs) => {
    try {
      const answer = await askApart(question, {
        program: program?.file ?? PROGRAM,
        readable: [program?.folder ?? CODE, ...packages()],
        identity,
        heapMiB: DATABASE_HEAP_MIB,
        deadlineMs,
        ceilings: { head: COMPILER_HEADER_MAX, all: DATABASE_TABLE_MAX },
        // It carries no secret: the keeper took those out. What Node trusts besides its own roots is named there.
        environment: process.env,
        file: file.fd,
      })
      return readDatabaseAnswer(answer) ?? faulty('could not be compiled: the compiler sent what is no answer')
    } catch (error) {
      return faulty(`could not be compiled: ${error instanceof Error ? error.message : 'unknown error'}`)
    }
  }
}

/** Where Node looks for packages, and where links there lead: code that anybody can have from npm, and nothing else. */
function packages(): string[] {
  const { resolve } = createRequire(import.meta.url)
  const real = resolve('maxmind')
  const folder = '/node_modules'
  return [...(resolve.paths('maxmind') ?? []), real.slice(0, real.lastIndexOf(`${folder}/maxmind/`) + folder.length)]
}
