/** `postern serve`: the gateway, until a signal ends it. */
import { startKeeper, type Keeper } from '../keeper/keeper.ts'

/** Prints `listening HOST:PORT` for each listener and nothing more on stdout. SIGTERM and SIGINT stop, SIGHUP reloads. */
export async function serve({ config }: { config: string }): Promise<number> {
  let started: Keeper | null = null
  // From the first moment: a certificate hook that comes during the start would otherwise end it. Its fault, if any, is in log and
  // audit already.
  process.on('SIGHUP', () => void started?.reload().catch(() => undefined))
  const keeper = await startKeeper({
    file: config,
    announce: ({ host, port }) => {
      process.stdout.write(`listening ${host.includes(':') ? `[${host}]` : host}:${port}\n`)
    },
  })
  started = keeper
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, resolve)
  })
  await keeper.stop(signal)
  return 0
}
