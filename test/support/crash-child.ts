/**
 * A keeper's journal and store without the rest, under load: `node crash-child.ts FOLDER ROUND`. It prints each login once it is on
 * disk, as a front would say +OK then, until it is killed. Time runs two hundred times as fast, so that seals, rotations, packing and
 * the noting of heads fall between the logins.
 */
import { writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { LOGIN } from './audit-events.ts'
import { openCrashWorld } from './crash-world.ts'

const [folder = '', round = ''] = process.argv.slice(2)
const { journal } = await openCrashWorld(folder)

async function logins(who: number): Promise<never> {
  for (let n = 0; ; n++) {
    const user = `${round}-${who}-${n}-${randomBytes(4).toString('hex')}`
    journal.write({ ...LOGIN, user } as typeof LOGIN)
    journal.write({ stream: 'admin', action: 'user-removed', user })
    // In fast time a busy disk is late now and then: such a login is refused, and nothing is promised.
    const promised = await journal.durable().then(
      () => true,
      () => false,
    )
    if (promised) writeSync(1, `${user}\n`)
  }
}
await Promise.all(Array.from({ length: 10 }, (_, who) => logins(who)))
