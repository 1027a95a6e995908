/** How commands are added to the program. */
import type { Command } from 'commander'

/** Adds a command, below `parent` or at the top; every one takes the policy file. */
export type MakeCommand = (spec: string, about: string, parent?: Command) => Command

/**
 * Makes the action of a command. Its code is read when it is asked for: to read that of all commands takes longer than most of them.
 */
export type Ends = <Args extends unknown[]>(
  load: () => Promise<(...args: Args) => Promise<number>>,
) => (...args: Args) => Promise<void>
