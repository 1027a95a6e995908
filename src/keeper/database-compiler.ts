/** Starts the compiler of databases: a process for one question, with no right but to read code and to reach out. */
import { fork } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { faulty } from '../base/parsed.ts'
import type { DatabaseAnswer, DatabaseQuestion } from '../compiler/database-process.ts'
import { CODE, powerless } from './powerless.ts'
import type { Identity } from './supervise.ts'

const BUILT = import.meta.url.endsWith('.js')
const PROGRAM = fileURLToPath(
  new URL(BUILT ? '../compiler/database-process.js' : '../compiler/database-process.ts', import.meta.url),
)
/** Its heap; tables lie outside of it. */
const HEAP_MIB = 256

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
export function databaseCompiler(identity: Identity | null, program = PROGRAM): CompileDatabase {
  return (question, file, deadlineMs) =>
    new Promise((resolve) => {
      const child = fork(program, identity === null ? [] : [String(identity.uid), String(identity.gid)], {
        serialization: 'advanced',
        execArgv: [
          ...powerless([CODE, ...(program === PROGRAM ? [] : [program]), ...packages()]),
          `--max-old-space-size=${HEAP_MIB}`,
        ],
        stdio: ['ignore', 'ignore', 'inherit', file.fd, 'ipc'],
      })
      const end = (answer: DatabaseAnswer) => {
        clearTimeout(timer)
        child.kill('SIGKILL')
        resolve(answer)
      }
      const timer = setTimeout(() => {
        end(faulty(`took longer than ${Math.round(deadlineMs / 1_000)} s`))
      }, deadlineMs)
      child.once('message', (answer) => {
        end(answer as DatabaseAnswer)
      })
      child.once('error', (error) => {
        end(faulty(`could not be compiled (${error.message})`))
      })
      child.once('exit', (code, signal) => {
        end(faulty(`could not be compiled: the compiler ended (${signal ?? `exit ${String(code)}`})`))
      })
      child.send(question)
    })
}

/** Where Node looks for packages, and where links there lead: code that anybody can have from npm, and nothing else. */
function packages(): string[] {
  const { resolve } = createRequire(import.meta.url)
  const real = resolve('maxmind')
  const folder = '/node_modules'
  return [...(resolve.paths('maxmind') ?? []), real.slice(0, real.lastIndexOf(`${folder}/maxmind/`) + folder.length)]
}
