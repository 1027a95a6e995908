import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dovecotApop } from './servers/dovecot.ts'
import { DIRECT } from './support/front.ts'
import { answers, open } from './support/scene.ts'
import type { Scene } from './support/scene.ts'

describe(dovecotApop.name, () => {
  let scene: Scene
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    scene = await open(dovecotApop, ['raw-reads'], closers)
  })
  afterAll(async () => {
    for (const close of closers.toReversed()) await close()
  })

  test('gives every answer byte for byte, and the password crosses the plain line as a digest only', async () => {
    await answers(scene)
    const said = scene.tap.heard.flatMap(({ commands }) => commands)
    expect(said.filter((line) => line === (DIRECT ? 'USER' : 'APOP'))).toHaveLength(1)
    expect(said.includes('PASS')).toBe(DIRECT)
  })
})
