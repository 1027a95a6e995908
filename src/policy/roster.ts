/** The roster: who there is. One user a line, the canonical name first, then its aliases. */
import { inTurns } from '../base/turns.ts'
import { type NameRules, plainName } from '../base/user-name.ts'
import type { Place } from './findings.ts'

export type ReadRoster = {
  /** Every spelling in plain form, the canonical names included, to the canonical name. */
  names: ReadonlyMap<string, string>
  faults: (Place & { message: string })[]
}

/** Needs the text of a roster and what login.yaml says of names; gives its names, and a fault for each bad one. */
export async function parseRoster(text: string, rules: NameRules): Promise<ReadRoster> {
  const names = new Map<string, string>()
  const lineOf = new Map<string, number>()
  const faults: ReadRoster['faults'] = []
  const lines = text.split('\n').entries()
  await inTurns(lines, ([i, written]) => {
    const line = i + 1
    let canonical: string | null = null
    for (const { 0: word, index } of written.replace(/(^|\s)#.*/, '').matchAll(/\S+/g)) {
      const column = index + 1
      const plain = /[#<>"(),:;]/.test(word) ? null : plainName(word, rules)
      if (plain === null) {
        faults.push({ line, column, message: `\`${shown(word)}\` is no user name; see \`users\` in login.yaml` })
        break
      }
      const earlier = lineOf.get(plain)
      if (earlier !== undefined) {
        faults.push({ line, column, message: `\`${shown(word)}\` stands in line ${earlier} already` })
        break
      }
      canonical ??= plain
      names.set(plain, canonical)
      lineOf.set(plain, line)
    }
  })
  return { names, faults }
}

/** Printable ASCII alone: the other characters may be why the name is refused, and could disguise it on a terminal. */
function shown(word: string): string {
  const plain = word.slice(0, 60).replace(/[^!-~]/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`)
  return word.length > 60 ? `${plain}…` : plain
}
