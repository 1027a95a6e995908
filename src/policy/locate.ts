/** Where state and audit lie, for commands that need to know no more: policies with faults must not lock the operator out. */
import { resolve } from 'node:path'
import { POLICY_FILE_MAX } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import { createReader } from './read-file.ts'
import { readYaml } from './yaml-file.ts'

/** Needs postern.yaml as the operator named it. Gives the state folder, or null when the file does not tell. */
export async function locateState(file: string, environment: Environment): Promise<string | null> {
  return locate(file, environment, 'state', '../state')
}

/** The same for the folder of the audit. */
export async function locateAudit(file: string, environment: Environment): Promise<string | null> {
  return locate(file, environment, 'audit', '../state/audit')
}

async function locate(file: string, environment: Environment, section: string, usual: string): Promise<string | null> {
  const text = await createReader().read(resolve(file), 'policy', POLICY_FILE_MAX)
  if (!text.ok) return null
  const { readable, data } = readYaml(text.text, environment)
  if (!readable) return null
  const found = ((data ?? {}) as Record<string, unknown>)[section]
  const { path } = (typeof found === 'object' && found !== null ? found : {}) as { path?: unknown }
  if (path !== undefined && typeof path !== 'string') return null
  return resolve(file, '..', path ?? usual)
}
