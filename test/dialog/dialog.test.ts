import { readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'vitest'
import { play } from './play.ts'
import { readDialogue } from './script.ts'

const TEXTS = new URL('./texts/', import.meta.url)

describe.concurrent('the dialogues', { timeout: 90_000 }, () => {
  for (const name of readdirSync(TEXTS).filter((file) => file.endsWith('.txt'))) {
    const dialogue = readDialogue(readFileSync(new URL(name, TEXTS), 'utf8'))
    test(`${name}: ${dialogue.title}`, async () => {
      await play(dialogue)
    })
  }
})
