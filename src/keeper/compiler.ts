/** The compiler as the keeper sees it: a process for each batch of jobs, with a deadline, whose answer is checked. */
import { fileURLToPath } from 'node:url'
import {
  COMPILER_ANSWER_MAX,
  COMPILER_DEADLINE_MS,
  COMPILER_HEADER_MAX,
  COMPILER_HEAP_MIB,
  FEED_FETCH_DEADLINE_MS,
} from '../base/gate-limits.ts'
import { readAnswers } from '../compiler/answer.ts'
import { type Compile, type Job, type Made, type ParseJob, work } from '../compiler/job.ts'
import { askApart } from './apart.ts'
import { CODE } from './powerless.ts'
import type { Identity } from './supervise.ts'

const BUILT = import.meta.url.endsWith('.js')
const COMPILER = fileURLToPath(new URL(BUILT ? '../compiler-process.js' : '../compiler-process.ts', import.meta.url))

export type CompilerOptions = {
  /** Whom the process becomes; null when the keeper has no root to give up. */
  identity: Identity | null
  deadlineMs?: number
  heapMiB?: number
  /** For tests: what runs in its place, with its powers. */
  program?: { file: string; folder: string }
}

/** Has the jobs done, apart. Gives an answer for each; all are `failed`, with the reason, when the process did not give good ones. */
export async function compileApart(jobs: Job[], options: CompilerOptions): Promise<Made[]> {
  const { identity, program } = options
  const fetches = jobs.some((job) => job.do === 'fetch')
  const deadline = options.deadlineMs ?? COMPILER_DEADLINE_MS + (fetches ? FEED_FETCH_DEADLINE_MS : 0)
  try {
    const answer = await askApart(jobs, {
      program: program?.file ?? COMPILER,
      readable: [program?.folder ?? CODE],
      identity,
      heapMiB: options.heapMiB ?? COMPILER_HEAP_MIB,
      deadlineMs: deadline,
      ceilings: { head: COMPILER_HEADER_MAX * jobs.length, all: COMPILER_ANSWER_MAX },
      environment: {},
    })
    return (await readAnswers(answer, jobs.length)) ?? all(jobs, 'the compiler sent what is no answer')
  } catch (error) {
    return all(jobs, error instanceof Error ? error.message : 'the compiler failed')
  }
}

function all(jobs: Job[], reason: string): Made[] {
  return jobs.map(() => ({ at: 'failed', reason }))
}

/**
 * Gives a way to start a load: what does its parsing. What the load before had already is not parsed again, and stays the same
 * arrays, which the fronts have.
 */
export function rememberingCompile(
  apart: (jobs: ParseJob[], user: string) => Promise<Made[]>,
): (user: string) => Compile {
  let before = new Map<string, Made>()
  let now = new Map<string, Made>()
  return (user) => {
    before = now
    const mine = (now = new Map<string, Made>())
    const earlier = before
    return async (jobs) => {
      const fresh = jobs.filter((job) => !earlier.has(keyOf(job)) && !isEmpty(job))
      const made = fresh.length === 0 ? [] : await apart(fresh, user)
      return jobs.map((job): Made => {
        if (isEmpty(job)) return work(job)
        const one = earlier.get(keyOf(job)) ?? made[fresh.indexOf(job)] ?? { at: 'failed', reason: 'not compiled' }
        if (one.at !== 'failed') mine.set(keyOf(job), one)
        return one
      })
    }
  }
}

/** A list without files needs no process. */
function isEmpty(job: ParseJob): boolean {
  return job.do === 'lists' && job.sources.length === 0
}

function keyOf(job: ParseJob): string {
  const sources = job.do === 'lists' ? job.sources : [job.source]
  return JSON.stringify([job.do, ...sources.map(({ name, digest }) => [name, digest])])
}
