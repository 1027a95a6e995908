/** `postern user travel`. */
import type { Travelling } from '../keeper/travel.ts'
import { request } from './request.ts'
import { misuse } from '../base/refusal.ts'

type Options = { config: string; countries?: string; until?: string; end?: boolean; reason: string; json?: boolean }

/** Lets a user in from countries that are shut out, for a while, or ends that. Throws Refusal where no end is named. */
export async function userTravel(user: string, { config, reason, json, ...options }: Options): Promise<number> {
  const until = options.end === true ? 'now' : options.until
  if (until === undefined) throw misuse('say until when: --until 2027-03-14, or --end to end a journey')
  const countries = (options.countries ?? '').split(',')
  const made = (await request(config, 'user.travel', { user, countries, until, reason })) as Travelling
  const words =
    made.until === null
      ? `${made.user} travels no more`
      : `${made.user} may log in from ${made.countries.join(', ')} until ${made.until}; locks and the second factor still hold`
  process.stdout.write(`${json === true ? JSON.stringify(made) : words}\n`)
  return 0
}
