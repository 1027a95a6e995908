/** `postern status` and `postern reload`: of the server that runs. */
import type { Status } from '../keeper/status.ts'
import { requestRunning } from './request.ts'

type Options = { config: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)

/** Gives 1 when the server is unhealthy: also when it serves, but somebody ought to look. */
export async function status({ config, json }: Options): Promise<number> {
  const status = (await requestRunning(config, 'status')) as Status
  if (json === true) print(JSON.stringify(status))
  else for (const line of linesOf(status)) print(line)
  return status.healthy ? 0 : 1
}

function linesOf(status: Status): string[] {
  const { policies, fronts } = status
  return [
    `postern ${status.version}: ${status.state === 'down' ? 'DOWN' : status.state}`,
    ...status.reasons.map((reason) => `  ! ${reason}`),
    ...status.warnings.map((warning) => `  note: ${warning}`),
    `fronts       ${fronts.running} of ${fronts.wanted}`,
    `sessions     ${status.sessions} (${status.connections} connections)`,
    ...status.backends.map(({ backend, address, up, detail }) => {
      return `backend      ${backend} ${address} ${up === null ? 'not asked yet' : up ? 'up' : `DOWN: ${detail}`}`
    }),
    `policies     generation ${policies.generation}, in force since ${policies.loaded_at}`,
    ...policies.faults.map((fault) => `  ! ${fault}`),
    ...status.certificates.map(
      ({ name, expires, names }) => `certificate  ${name} until ${expires} for ${names.join(' ')}`,
    ),
    ...status.feeds.map(({ name, state, age, entries, failed }) => {
      const since = age === null ? '' : `, ${entries} networks, confirmed ${Math.round(age / 60)} min ago`
      return `feed         ${name} ${state}${since}${failed === null ? '' : `; last fetch: ${failed}`}`
    }),
    ...status.databases.map(
      ({ feed, type, built, age, fault }) =>
        `database     ${feed} ${type}, built ${built.slice(0, 10)} (${Math.floor(age / 86_400)} days ago)${fault === null ? '' : `: ${fault}`}`,
    ),
    ...status.dnsbl.map(({ zone, fault }) => `dnsbl        ${zone} ${fault ?? 'no trouble'}`),
    ...status.passes.map(({ network, until, reason }) => `break-glass  ${network} until ${until}: ${reason}`),
    `locks        ${status.locks === 0 ? 'none' : `${status.locks}: postern lock list`}`,
    `audit        ${status.audit.state}, ${status.audit.lag.toFixed(1)} s behind`,
    ...status.forwards.map(
      ({ to, fault, lag, lost }) =>
        `forward      ${to} ${fault === null ? 'connected' : `NOT connected: ${fault}`}, ${lag.toFixed(1)} s behind${lost === 0 ? '' : `, ${lost} lines lost`}`,
    ),
  ]
}

/** Gives 0 when the policies on disk are in force now. Throws Refusal with the faults when they are not. */
export async function reload({ config }: Options): Promise<number> {
  const { generation } = (await requestRunning(config, 'reload')) as { generation: number }
  print(`reloaded: generation ${generation}`)
  return 0
}
