/**
 * What an operator asked for cannot be done. Each line says what is wrong and what to do, and reaches the operator as it is: no
 * stack, no secret.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly lines: readonly string[]
  constructor(...lines: string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** What was typed is no way to ask: a time that is none, an option that is missing. The exit code says so (2). */
export class Misuse extends Refusal {}
