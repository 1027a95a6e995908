/** The powers of every process that meets strangers' octets: the network, and its own code to read. */
import { fileURLToPath } from 'node:url'

/** The folder of our code, sources or build. */
export const CODE = fileURLToPath(new URL('..', import.meta.url))

/** Gives Node's switches for such a process. Needs the folders it may read, which hold nothing but code. */
export function powerless(readable: readonly string[]): string[] {
  return [
    '--permission',
    '--allow-net',
    ...readable.map((folder) => `--allow-fs-read=${folder}*`),
    '--disable-sigusr1',
    '--disable-warning=ExperimentalWarning',
  ]
}
