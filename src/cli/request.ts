/** One operator command: to the running server, or, when none runs, on the state itself under the instance lock. */
import type { AuditEvent } from '../audit/events.ts'
import { systemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { Refusal } from '../base/refusal.ts'
import { perform } from '../keeper/commands.ts'
import { askServer } from '../keeper/control.ts'
import { NO_SESSIONS } from '../keeper/end-sessions.ts'
import { openResources } from '../keeper/resources.ts'
import { loadPolicies, type Policies } from '../policy/load.ts'
import { locateState } from '../policy/locate.ts'

/** Reads the policies. Throws Refusal with their faults, each as `file:line:column: message`. */
async function policiesOf(file: string): Promise<Policies> {
  const loaded = await loadPolicies(file, process.env)
  if (!loaded.ok) throw new Refusal(...loaded.faults)
  return loaded.policies
}

/** Gives the command's result. Throws Refusal with the reason. */
export async function request(config: string, command: string, args: Record<string, unknown>): Promise<unknown> {
  const answered = await askRunning(config, command, args)
  return answered === null ? alone(await policiesOf(config), command, args) : answered.result
}

/** For commands that mean nothing without a server. */
export async function requestRunning(
  config: string,
  command: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const answered = await askRunning(config, command, args)
  if (answered !== null) return answered.result
  const { postern } = await policiesOf(config)
  throw new Refusal(`no server runs on the state in ${postern.state.path}; start it with: postern serve -c ${config}`)
}

/** Finds the server by the state folder alone: an operator in the midst of an edit can still ask it and freeze a user. */
async function askRunning(
  config: string,
  command: string,
  args: Record<string, unknown>,
): Promise<{ result: unknown } | null> {
  const state = await locateState(config, process.env)
  return state === null ? null : askServer(state, command, args)
}

/** Takes the lock that the server takes, so that there is one writer at any time. */
async function alone(policies: Policies, command: string, args: Record<string, unknown>): Promise<unknown> {
  const log = createLog('warn', 'text')
  const resources = await openResources(policies, systemClock, log)
  try {
    const { store, keys, journal } = resources
    const rules = () => ({ ...policies.login.users, roster: policies.roster })
    const emit = (event: AuditEvent) => {
      journal.write(event)
    }
    const trust = () => policies.login.trusted_device
    const context = { store, keys, clock: systemClock, rules, trust, sessions: NO_SESSIONS, emit }
    const result = await perform(context, command, args)
    await journal.durable()
    return result
  } finally {
    await resources.close()
  }
}
