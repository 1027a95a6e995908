/** What all steps of one load share. */
import { isAbsolute, relative, resolve } from 'node:path'
import type { Compile } from '../compiler/job.ts'
import type { Environment } from './environment.ts'
import type { Findings } from './findings.ts'
import { createReader, type Reader } from './read-file.ts'
import type { YamlFile } from './yaml-file.ts'

/** A YAML file that was read, and its name as the operator would type it. */
export type Opened = { name: string; file: YamlFile }

export type Reading = {
  /** The folder of postern.yaml, absolute: where relative paths start. */
  folder: string
  environment: Environment
  /** The moment that expiry is held against, in ms since 1970. */
  now: number
  reader: Reader
  /** Parses and compiles lists. */
  compile: Compile
  findings: Findings
  /** Names of the environment variables that were asked for. */
  variables: Set<string>
  /** An absolute path as the operator would type it: relative where the policy file was named so. */
  shown: (path: string) => string
}

/** Needs postern.yaml as the operator named it; starts a load. */
export function startReading(file: string, environment: Environment, now: number, compile: Compile): Reading {
  return {
    folder: resolve(file, '..'),
    environment,
    now,
    reader: createReader(),
    compile,
    findings: { faults: [], warnings: [] },
    variables: new Set(),
    shown: (path) => (isAbsolute(file) ? path : relative(process.cwd(), path)),
  }
}
