import type { House, Person } from '../support/house.ts'
import type { Message } from '../support/messages.ts'

/** How one kind of old server is set up in a house and started. */
export type OldServer = {
  name: string
  fill: (house: House, person: Person, messages: Message[]) => Promise<void>
  /**
   * Starts it and waits until it greets at the house's address and PORT, in plain POP3. Gives what ends it; `hear` gets a way to
   * read what it logs.
   */
  start: (house: House, hear?: (said: () => string) => void) => Promise<() => Promise<void>>
  /** A message less what this server makes up anew at every reading. */
  steady?: (message: Buffer) => Buffer
}
