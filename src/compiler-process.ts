/**
 * The compiler: a short-lived process that fetches feeds and parses lists, so that neither a hostile feed nor 200,000 networks
 * touch the process that judges logins. It gives up root before it reads the first octet, opens no file, starts no program,
 * has an empty environment, and ends with its one answer.
 */
import { hash } from 'node:crypto'
import { fetchBody } from './compiler/fetch.ts'
import { type FetchJob, type Job, type Made, work } from './compiler/job.ts'
import { readFrame, toFrame } from './compiler/wire.ts'
import { giveUpRoot } from './base/give-up-root.ts'
import { COMPILER_ANSWER_MAX } from './base/gate-limits.ts'

giveUpRoot(process.argv[2], process.argv[3])

const jobs = (await readFrame(process.stdin, { head: COMPILER_ANSWER_MAX, all: COMPILER_ANSWER_MAX * 16 })) as Job[]
const answers: Made[] = []
for (const job of jobs) answers.push(job.do === 'fetch' ? await fetched(job) : work(job))
for (const octets of toFrame(answers)) process.stdout.write(octets)
// A look-up of a name that hangs cannot be called off, and would keep this process alive.
process.stdout.write('', () => process.exit(0))

async function fetched(job: FetchJob): Promise<Made> {
  const got = await fetchBody(job)
  if (got.at !== 'body') return got
  const { body, etag, lastModified } = got
  const made = work({ do: 'feed', source: { name: job.name, bytes: body, digest: '' } })
  const digest = hash('sha256', body)
  return made.at === 'feed' ? { ...made, at: 'fetched', body, digest, etag, lastModified } : made
}
