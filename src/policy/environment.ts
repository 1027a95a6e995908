/** `${NAME}` in policy files: the value of an environment variable. */

export type Environment = Readonly<Record<string, string | undefined>>

export type Substituted = { text: string; used: string[]; faults: string[] }

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g

/**
 * Needs a scalar's text; gives it with every `${NAME}` replaced, the names it used, and a fault for each variable that
 * is not set. `$${` stands for `${`. Values are not looked into: a `${` that comes out of a variable stays as it is.
 */
export function substitute(text: string, environment: Environment): Substituted {
  const used: string[] = []
  const faults: string[] = []
  const replaced = text.replace(REFERENCE, (whole: string, name: string | undefined, end: string) => {
    if (whole === '$${') return '${'
    if (name === undefined || end === '' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      faults.push('a `${` must be ${NAME} of an environment variable; write $${ for the characters themselves')
      return whole
    }
    used.push(name)
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    if (value === undefined) faults.push(`the environment variable ${name} is not set`)
    return value ?? ''
  })
  return { text: replaced, used, faults }
}

/** Needs what a plain scalar became; gives what YAML 1.2 (core schema, 10.3.2) reads it as. Never a list or section. */
export function retype(text: string): string | number | boolean | null {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return null
  if (/^(?:true|True|TRUE)$/.test(text)) return true
  if (/^(?:false|False|FALSE)$/.test(text)) return false
  if (/^[-+]?[0-9]+$/.test(text) || /^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$/.test(text))
    return Number(text)
  return text
}
