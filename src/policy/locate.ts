/** Where the state lies, for commands that only need to find the running server: policies with faults must not lock the operator out. */
import { resolve } from 'node:path'
import { POLICY_FILE_MAX } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import { createReader } from './read-file.ts'
import { readYaml } from './yaml-file.ts'

const DEFAULT = '../state'

/** Needs postern.yaml as the operator named it. Gives the state folder, or null when the file does not tell. */
export async function locateState(file: string, environment: Environment): Promise<string | null> {
  const text = await createReader().read(resolve(file), 'policy', POLICY_FILE_MAX)
  if (!text.ok) return null
  const { readable, data } = readYaml(text.text, environment)
  if (!readable) return null
  const { state } = (data ?? {}) as { state?: unknown }
  const { path } = (typeof state === 'object' && state !== null ? state : {}) as { path?: unknown }
  if (path !== undefined && typeof path !== 'string') return null
  return resolve(file, '..', path ?? DEFAULT)
}
