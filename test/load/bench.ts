/**
 * Measurements: `npm run bench -- NAME`. Each is a file of this folder with that name that exports `run`; they print tables,
 * and prove nothing by themselves: the figures in the README come from here.
 */
import { readdirSync, readFileSync } from 'node:fs'

const FOLDER = new URL('./', import.meta.url)
const isBench = (name: string) => /^export async function run\(/m.test(readFileSync(new URL(name, FOLDER), 'utf8'))
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.ts') && name !== 'bench.ts' && isBench(name))
const [wanted = '', ...parts] = process.argv.slice(2)

if (!names.includes(`${wanted}.ts`)) {
  process.stderr.write(`usage: npm run bench -- ${names.map((name) => name.replace('.ts', '')).join(' | ')}\n`)
  process.exit(2)
}
const { run } = (await import(new URL(`${wanted}.ts`, FOLDER).href)) as { run: (parts: string[]) => Promise<void> }
await run(parts)
process.exit(0)
