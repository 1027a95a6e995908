/** The rules of the house. Each takes the facts of all files and gives what breaks it, in words that say what to do. */
import type { Facts, Import } from './sources.ts'

export type Breach = { path: string; line: number; text: string }
export type Rule = (all: Facts[]) => Breach[]

const FILE_LINES = 300
const FUNCTION_LINES = 40

/** Who may import values from whom. `.` stands for the files at the top of src. */
const MAY_IMPORT: Record<string, string[]> = {
  'main.ts': ['cli', 'demo', 'keeper', 'base'],
  'front-process.ts': ['session.ts', 'front', 'gate', 'login', 'relay', 'pop3', 'base'],
  'compiler-process.ts': ['compiler', 'base'],
  'forward-process.ts': ['forward', 'base'],
  'arrival.ts': ['front', 'login', 'pop3', 'base'],
  'attempt.ts': ['front', 'login', 'relay', 'pop3', 'base'],
  'session.ts': [
    'arrival.ts',
    'attempt.ts',
    'front',
    'gate',
    'login',
    'relay',
    'pop3',
    'policy',
    'audit',
    'metrics',
    'base',
  ],
  front: ['pop3', 'policy', 'audit', 'metrics', 'base'],
  gate: ['pop3', 'policy', 'audit', 'metrics', 'base'],
  login: ['pop3', 'policy', 'audit', 'metrics', 'base'],
  relay: ['pop3', 'policy', 'audit', 'metrics', 'base'],
  // Of the gate, what only the keeper can judge: rates.
  keeper: ['gate', 'factors', 'state', 'audit', 'policy', 'metrics', 'admin', 'compiler', 'forward', 'base'],
  cli: ['keeper', 'factors', 'state', 'audit', 'policy', 'compiler', 'gate', 'base'],
  demo: ['cli', 'keeper', 'factors', 'state', 'audit', 'policy', 'base'],
  factors: ['state', 'base'],
  state: ['base'],
  policy: ['compiler', 'base'],
  compiler: ['base'],
  forward: ['base'],
  pop3: ['base'],
  audit: ['base'],
  metrics: ['base'],
  admin: ['base'],
  base: [],
}

/** Their types may be imported anywhere: they are what the parts agree on. */
const CONTRACTS = ['src/gate/verdict.ts', 'src/audit/events.ts', 'src/keeper/messages.ts']

const PURE = ['machine.ts', 'command.ts', 'verdict.ts', 'gate.ts', 'events.ts', 'failure.ts', 'tally.ts']

/** What a process that reads strangers' bytes may use of Node: no files, no programs, no database. */
const HARMLESS_MODULES = [
  'buffer',
  'cluster',
  'crypto',
  'dns/promises',
  'events',
  'http',
  'https',
  'net',
  'stream',
  'timers/promises',
  'tls',
  'util',
  'zlib',
]

/** Besides errors. */
const CLASSES: Record<string, string> = {
  'src/base/secret.ts': 'printing hooks must sit on a prototype, and instances are keys of a WeakMap',
  'src/front/client-hello.ts': 'a cursor over bytes: one number that moves, and the ways to move it',
}

export const RULES: Record<string, Rule> = {
  'imports go one way': (all) => each(all, (file) => file.imports.filter(crosses(file)).map(worded('may not import'))),

  'nothing imports in a circle': (all) => circles(all),

  'pure files ask nothing of the machine': (all) =>
    each(
      all.filter((file) => PURE.includes(nameOf(file.path))),
      (file) => file.imports.filter((one) => one.from.startsWith('node:')).map(worded('is pure and may not import')),
    ),

  'a front opens no file, starts no program and loads no package': (all) =>
    each(reachable(all, 'src/front-process.ts'), (file) =>
      file.imports.filter(isPower).map(worded('runs in a front and may not import')),
    ),

  'the compiler opens no file, starts no program and loads no package': (all) =>
    each(reachable(all, 'src/compiler-process.ts'), (file) =>
      file.imports.filter(isPower).map(worded('runs in the compiler and may not import')),
    ),

  'the forwarder opens no file, starts no program and loads no package': (all) =>
    each(reachable(all, 'src/forward-process.ts'), (file) =>
      file.imports.filter(isPower).map(worded('runs in the forwarder and may not import')),
    ),

  'a file is read in one sitting': (all) =>
    each(all, ({ lines }) =>
      lines > FILE_LINES ? [{ line: 1, text: `has ${lines} lines, more than ${FILE_LINES}: split it` }] : [],
    ),

  'a function fits on a screen': (all) =>
    each(all, ({ routines }) =>
      routines
        .filter(({ own }) => own > FUNCTION_LINES)
        .map(({ line, name, own }) => ({
          line,
          text: `${name} has ${own} lines of its own, more than ${FUNCTION_LINES}`,
        })),
    ),

  'exports have names': odd('default', 'exports a default: give it a name'),
  'no enums': odd('enum', 'is an enum: use a union of words'),
  'no barrels': odd('re-export', 'is exported again: import it where it is made'),

  'no classes where a function does': (all) =>
    each(all, ({ path, oddities }) =>
      oddities
        .filter(({ what, name }) => what === 'class' && !/ extends \w*Error$/.test(name) && !(path in CLASSES))
        .map(({ line, name }) => ({ line, text: `${name} is a class: a function that gives an object does` })),
    ),

  'exported functions say what they need and give': (all) =>
    each(all, (file) =>
      file.exports
        .filter((one) => one.isFunction && !one.documented)
        .map(({ line, name }) => ({ line, text: `${name} has no docstring` })),
    ),
}

function each(all: Facts[], judge: (file: Facts) => { line: number; text: string }[]): Breach[] {
  return all.flatMap((file) => judge(file).map((breach) => ({ path: file.path, ...breach })))
}

function odd(what: string, text: string): Rule {
  return (all) =>
    each(all, ({ oddities }) =>
      oddities.filter((one) => one.what === what).map(({ line, name }) => ({ line, text: `${name} ${text}` })),
    )
}

const worded = (verb: string) => (one: Import) => ({ line: one.line, text: `${verb} ${one.to ?? one.from}` })

/** `src/gate/x.ts` is of `gate`, `src/main.ts` is itself. */
function partOf(path: string): string {
  return path.split('/')[1] ?? path
}

function nameOf(path: string): string {
  return path.split('/').at(-1) ?? path
}

function crosses(file: Facts): (one: Import) => boolean {
  const mine = partOf(file.path)
  return ({ to, typeOnly }) => {
    if (to === null) return false
    if (!to.startsWith('src/')) return true
    if (typeOnly && CONTRACTS.includes(to)) return false
    return partOf(to) !== mine && !(MAY_IMPORT[mine] ?? []).includes(partOf(to))
  }
}

function isPower({ from, to, typeOnly }: Import): boolean {
  if (to !== null || typeOnly) return false
  return !from.startsWith('node:') || !HARMLESS_MODULES.includes(from.slice('node:'.length))
}

/** Every file whose code a process loads that starts at `entry`: types are gone by then. */
function reachable(all: Facts[], entry: string): Facts[] {
  const byPath = new Map(all.map((file) => [file.path, file]))
  const found = new Set<Facts>()
  const visit = (path: string) => {
    const file = byPath.get(path)
    if (file === undefined || found.has(file)) return
    found.add(file)
    for (const { to, typeOnly } of file.imports) if (to !== null && !typeOnly) visit(to)
  }
  visit(entry)
  return [...found]
}

function circles(all: Facts[]): Breach[] {
  const byPath = new Map(all.map((file) => [file.path, file]))
  const done = new Set<string>()
  const breaches: Breach[] = []
  const visit = (path: string, trail: string[]) => {
    const start = trail.indexOf(path)
    if (start >= 0)
      breaches.push({ path, line: 1, text: `imports itself: ${[...trail.slice(start), path].join(' -> ')}` })
    if (start >= 0 || done.has(path)) return
    for (const { to } of byPath.get(path)?.imports ?? []) if (to !== null) visit(to, [...trail, path])
    done.add(path)
  }
  for (const { path } of all) visit(path, [])
  return breaches
}
