/** Numbers of messages in few words: `1-250 300`. */

export type Ranges = {
  add(number: number): void
  /** At most so many signs; what did not fit is `…`. */
  text(max: number): string
}

/** Takes numbers in any order; neighbours that come one after the other take no room. Beyond `most` pieces it says `…`. */
export function createRanges(most: number): Ranges {
  const pieces: [number, number][] = []
  let more = false
  return {
    add(number) {
      const last = pieces.at(-1)
      if (last !== undefined && number === last[1] + 1) last[1] = number
      else if (last !== undefined && number >= last[0] && number <= last[1]) return
      else if (pieces.length < most) pieces.push([number, number])
      else more = true
    },
    text(max) {
      let text = ''
      for (const [from, to] of pieces) {
        const piece = from === to ? String(from) : `${from}-${to}`
        if (text.length + piece.length + 3 > max) return `${text} …`
        text += text === '' ? piece : ` ${piece}`
      }
      return more ? `${text} …` : text
    },
  }
}
