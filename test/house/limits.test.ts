import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as auditLimits from '../../src/base/audit-limits.ts'
import * as forwardLimits from '../../src/base/forward-limits.ts'
import * as gateLimits from '../../src/base/gate-limits.ts'
import * as limits from '../../src/base/limits.ts'
import * as loginLimits from '../../src/base/login-limits.ts'
import { ROOT } from './sources.ts'

const MARKED = /<!-- limits -->\n([\s\S]*?)<!-- \/limits -->/

/** Gives name and value of each row `| NAME | value | why |` between the marks; a value may have `_` or `,` between digits. */
function rowsOf(readme: string): [string, number][] {
  const [, table = ''] = MARKED.exec(readme) ?? []
  const rows = [...table.matchAll(/^\| *`?([A-Z][A-Z0-9_]*)`? *\| *`?([0-9][0-9_,.]*)`?[^|]*\|/gm)]
  return rows.map(([, name = '', value = '']) => [name, Number(value.replaceAll(/[_,]/g, ''))])
}

const constants = Object.entries<unknown>({
  ...limits,
  ...loginLimits,
  ...gateLimits,
  ...auditLimits,
  ...forwardLimits,
}).filter(([, value]) => typeof value === 'number')

describe('the table of limits in the README', () => {
  test('holds every limit with the value that the code has, and nothing else', () => {
    const rows = new Map<string, unknown>(rowsOf(readFileSync(join(ROOT, 'README.md'), 'utf8')))
    expect(constants.length).toBeGreaterThan(40)
    const names = new Set([...rows.keys(), ...constants.map(([name]) => name)])
    const code = new Map(constants)
    const wrong = [...names].filter((name) => rows.get(name) !== code.get(name))
    expect(wrong.map((name) => `${name}: README ${String(rows.get(name))}, code ${String(code.get(name))}`)).toEqual([])
  })

  test('is read as it is written', () => {
    const table =
      '| Name | Value | Why |\n|---|---|---|\n| `A_MAX` | 16,384 octets | x |\n| B_MS | 10_000 | y |\n| SHARE | 0.1 | z |\n'
    expect(rowsOf(`text\n<!-- limits -->\n${table}<!-- /limits -->\n| C | 1 | not here |`)).toEqual([
      ['A_MAX', 16384],
      ['B_MS', 10000],
      ['SHARE', 0.1],
    ])
  })
})

test('every limit has its reason right above it, or shares that of the one above', () => {
  const read = (name: string) => readFileSync(join(ROOT, 'src/base', name), 'utf8').split('\n')
  const lines = ['limits', 'login-limits', 'gate-limits', 'audit-limits', 'forward-limits'].flatMap((name) => [
    ...read(`${name}.ts`),
  ])
  const bare = lines.filter((line, at) => {
    const before = lines[at - 1] ?? ''
    return line.startsWith('export ') && !before.endsWith('*/') && !before.startsWith('export const ')
  })
  expect(bare).toEqual([])
})
