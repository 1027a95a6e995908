import type { House } from '../support/house.ts'
import type { Message } from '../support/messages.ts'
import type { Person } from '../support/house.ts'

/** How one kind of old server is set up in a house and started. */
export type OldServer = {
  name: string
  fill: (house: House, person: Person, messages: Message[]) => Promise<void>
  /** Starts it and gives its plain POP3 port on 127.0.0.1 once it greets. `close` takes no new sessions; the rest ends with the house. */
  start: (house: House) => Promise<{ port: number; close: () => Promise<void> }>
  /** A message less what this server makes up anew at every reading. */
  steady?: (message: Buffer) => Buffer
}
