import { chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { House, Person } from './house.ts'
import type { Message } from './messages.ts'

/** Lays the messages into ~/Maildir in their order: names sort as the messages do. */
export async function fillMaildir(house: House, person: Person, messages: Message[]): Promise<void> {
  const dir = house.path(`/home/${person.name}/Maildir`)
  for (const sub of ['', 'tmp', 'new', 'cur']) {
    await mkdir(join(dir, sub), { recursive: true })
    await chown(join(dir, sub), person.uid, person.uid)
  }
  for (const [at, { bytes }] of messages.entries()) {
    const name = join(dir, 'cur', `${String(1_700_000_000 + at)}.M1P1.old:2,`)
    await writeFile(name, bytes, { mode: 0o600 })
    await chown(name, person.uid, person.uid)
  }
}

/** Lays the messages into /var/mail/NAME: a From line before each, `>` before lines that look like one (mboxrd), an empty line behind. */
export async function fillMbox(house: House, person: Person, messages: Message[]): Promise<void> {
  const parts = messages.flatMap(({ bytes }) => {
    const quoted = Buffer.from(bytes.toString('latin1').replace(/^(>*From )/gm, '>$1'), 'latin1')
    const end = quoted.at(-1) === 10 ? '\n' : '\n\n'
    return [Buffer.from('From corpus@example.com Thu Jan  1 00:00:00 2026\n'), quoted, Buffer.from(end)]
  })
  await house.put(`/var/mail/${person.name}`, Buffer.concat(parts), { uid: person.uid, gid: 8, mode: 0o660 })
}
