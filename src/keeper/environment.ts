/** The environment as policies may read it, taken out of the process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What forked fronts still get. Everything else may be a secret: `${NAME}` in the policies is how secrets come in. */
const HARMLESS = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'POSTERN_DEBUG', 'NODE_EXTRA_CA_CERTS']

/**
 * Gives a copy of the environment and takes all but the harmless names out of the process. Attack: forked children inherit
 * it, so a front that was taken over would find the master key in its own memory.
 */
export function takeEnvironment(): Environment {
  const copy = { ...process.env }
  for (const name of Object.keys(process.env)) if (!HARMLESS.includes(name)) delete process.env[name]
  return copy
}
