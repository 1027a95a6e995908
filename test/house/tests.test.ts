import { describe, expect, test } from 'vitest'
import { readTree, type Source } from './sources.ts'

/** Ways to leave a test out, or all others; `describe` and what hangs on it included. */
const LEFT_OUT = /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b/

function leftOut(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, i) => (LEFT_OUT.test(line) ? [`${path}:${i + 1}`] : [])),
  )
}

describe('every test runs, always', () => {
  test('holds', () => {
    const tests = readTree('test').filter(({ path }) => path !== 'test/house/tests.test.ts')
    expect(tests.length).toBeGreaterThan(100)
    expect(leftOut(tests)).toEqual([])
  })

  test.each(['test.skip(', 'describe.only(', 'it.concurrent.skip(', 'test.skipIf('])(
    'a planted %s goes red',
    (planted) => {
      const text = `${planted}'x', () => undefined)`
      expect(leftOut([{ path: 'test/planted.test.ts', text }])).toEqual(['test/planted.test.ts:1'])
    },
  )
})
