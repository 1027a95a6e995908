/**
 * What an operator asked for cannot be done. Each line says what is wrong and what to do, and reaches the operator as it is: no
 * stack, no secret.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly lines: readonly string[]
  readonly exitCode: 1 | 2 = 1
  constructor(...lines: string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** A refusal for what is no way to ask: a time that is none, an option that is missing. The command ends with 2 then. */
export function misuse(line: string): Refusal {
  return Object.assign(new Refusal(line), { exitCode: 2 as const })
}
