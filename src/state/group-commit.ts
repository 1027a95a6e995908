/** Many writes, one sync of the disk: what is asked for within one turn of the loop shares one transaction. */
import type { DatabaseSync } from 'node:sqlite'
import { STORE_QUEUE_MAX } from '../base/limits.ts'
import { StateFault } from './fault.ts'
import { asStateFault } from './sqlite-fault.ts'

export type Writer = {
  /**
   * Runs `job` inside the next transaction and resolves with what it gave once that is on disk. A job that throws takes
   * back its own writes alone and rejects with its own error; a disk that fails rejects every job of the transaction
   * with {@link StateFault}, and none of them happened. Jobs run one after the other and must not be async.
   */
  write<T>(job: () => T): Promise<T>
  /** Writes what is queued, then refuses all that comes. */
  close(): void
}

type Job = { run: () => unknown; resolve: (value: never) => void; reject: (error: unknown) => void }
type Ran = { job: Job; value: unknown } | { job: Job; error: unknown }

/** Needs a database with no transaction open; nobody else may open one on it. */
export function createWriter(db: DatabaseSync): Writer {
  const transaction = prepareTransaction(db)
  let queue: Job[] = []
  let closed = false

  function flush(): void {
    const jobs = queue
    queue = []
    if (jobs.length === 0) return
    try {
      finish(transaction(jobs))
    } catch (error) {
      const fault = asStateFault(error)
      for (const job of jobs) job.reject(fault)
    }
  }

  return {
    write: <T>(run: () => T) =>
      new Promise<T>((resolve, reject) => {
        if (closed) throw new StateFault('closed', 'the store is closed')
        if (queue.length >= STORE_QUEUE_MAX)
          throw new StateFault('crowded', 'too much waits for the disk under the store')
        queue.push({ run, resolve, reject })
        if (queue.length === 1) setImmediate(flush)
      }),
    close() {
      flush()
      closed = true
    },
  }
}

function prepareTransaction(db: DatabaseSync): (jobs: Job[]) => Ran[] {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const savepoint = db.prepare('SAVEPOINT job')
  const release = db.prepare('RELEASE job')

  const inSavepoint = (job: Job): Ran => {
    savepoint.run()
    try {
      const value = job.run()
      release.run()
      return { job, value }
    } catch (error) {
      // A full or failing disk makes SQLite give up the whole transaction: what ran before is gone, so all must hear of it.
      if (!db.isTransaction) throw error
      db.exec('ROLLBACK TO job; RELEASE job')
      return { job, error: asStateFault(error) }
    }
  }

  return (jobs) => {
    begin.run()
    try {
      // A job that is alone takes back all there is when it throws.
      const ran = jobs.length === 1 ? jobs.map((job): Ran => ({ job, value: job.run() })) : jobs.map(inSavepoint)
      commit.run()
      return ran
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}

function finish(all: Ran[]): void {
  for (const ran of all) {
    if ('error' in ran) ran.job.reject(ran.error)
    else ran.job.resolve(ran.value as never)
  }
}
