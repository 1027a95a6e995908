/** Reads the project's own sources with the compiler's parser, so that rules speak of code and not of text that looks like code. */
import { readdirSync, readFileSync, type Dirent } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A file as text; `path` is relative to the root, with slashes. */
export type Source = { path: string; text: string }

/** `names`: what is imported by name; `*` stands for everything (a namespace or a dynamic import). */
export type Import = { from: string; to: string | null; names: string[]; typeOnly: boolean; line: number }
export type Export = { name: string; kind: 'value' | 'type'; isFunction: boolean; documented: boolean; line: number }
/** `own`: lines of the function less those of the functions inside it, which are counted for themselves. */
export type Routine = { name: string; line: number; own: number }
/** `what`: default export, enum, re-export or class. */
export type Oddity = { what: 'default' | 'enum' | 're-export' | 'class'; name: string; line: number }

export type Facts = {
  path: string
  lines: number
  imports: Import[]
  exports: Export[]
  routines: Routine[]
  oddities: Oddity[]
  /** Names that stand in the file besides their own declaration. */
  mentioned: Set<string>
}

/** Gives every TypeScript file below a folder of the root. */
export function readTree(folder: string): Source[] {
  const all = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
  return all
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => sourceAt(entry))
    .toSorted((a, b) => a.path.localeCompare(b.path))
}

function sourceAt(entry: Dirent): Source {
  const full = join(entry.parentPath, entry.name)
  return { path: relative(ROOT, full), text: readFileSync(full, 'utf8') }
}

const known = new Map<string, Facts[]>()

/** Gives what the rules ask of every file below a folder: read once for all house tests, as nothing changes meanwhile. */
export function factsOfTree(folder: string): Facts[] {
  const facts = known.get(folder) ?? readTree(folder).map(factsOf)
  known.set(folder, facts)
  return facts
}

/** Gives what the rules ask of a file. */
export function factsOf({ path, text }: Source): Facts {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const facts: Facts = {
    path,
    lines: text.split('\n').length - 1,
    imports: [],
    exports: [],
    routines: [],
    oddities: [],
    mentioned: mentions(file),
  }
  const visit = (node: ts.Node) => {
    gather(node, file, facts)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return facts
}

function gather(node: ts.Node, file: ts.SourceFile, facts: Facts): void {
  const line = lineOf(node, file)
  if (ts.isImportDeclaration(node)) facts.imports.push(importOf(node, facts.path, line))
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments
    if (argument !== undefined && ts.isStringLiteral(argument)) {
      facts.imports.push({
        ...target(argument.text, facts.path),
        names: [memberOf(node) ?? '*'],
        typeOnly: false,
        line,
      })
    }
  }
  if (ts.isExportAssignment(node)) facts.oddities.push({ what: 'default', name: 'default', line })
  if (ts.isExportDeclaration(node)) {
    facts.oddities.push({ what: 're-export', name: node.moduleSpecifier?.getText(file) ?? '{…}', line })
  }
  if (ts.isEnumDeclaration(node)) facts.oddities.push({ what: 'enum', name: node.name.text, line })
  if (ts.isClassDeclaration(node)) facts.oddities.push({ what: 'class', name: className(node, file), line })
  if (isRoutine(node)) facts.routines.push({ name: routineName(node), line, own: ownLines(node, file) })
  if (ts.isSourceFile(node.parent ?? node)) facts.exports.push(...exportsOf(node, file, line))
  if (has(node, ts.SyntaxKind.DefaultKeyword)) facts.oddities.push({ what: 'default', name: 'default', line })
}

function importOf(node: ts.ImportDeclaration, path: string, line: number): Import {
  const specifier = (node.moduleSpecifier as ts.StringLiteral).text
  const clause = node.importClause
  const bindings = clause?.namedBindings
  const elements = bindings !== undefined && ts.isNamedImports(bindings) ? [...bindings.elements] : []
  const names = elements.map((element) => (element.propertyName ?? element.name).text)
  if (bindings !== undefined && ts.isNamespaceImport(bindings)) names.push('*')
  if (clause?.name !== undefined) names.push('default')
  // `import { type A }` loads the file all the same: only `import type` leaves nothing behind.
  const typeOnly = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword
  return { ...target(specifier, path), names, typeOnly, line }
}

/** `to`: the file that a relative import means, null for packages and `node:`. */
function target(from: string, path: string): { from: string; to: string | null } {
  return { from, to: from.startsWith('.') ? normalize(join(dirname(path), from)) : null }
}

function exportsOf(node: ts.Node, file: ts.SourceFile, line: number): Export[] {
  if (!has(node, ts.SyntaxKind.ExportKeyword)) return []
  const documented = ts.getJSDocCommentsAndTags(node).length > 0
  const one = (name: string, kind: 'value' | 'type', isFunction: boolean) => ({
    name,
    kind,
    isFunction,
    documented,
    line,
  })
  if (ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) return [one(node.name.text, 'type', false)]
  if (ts.isFunctionDeclaration(node)) return [one(node.name?.text ?? 'default', 'value', true)]
  if (ts.isClassDeclaration(node)) return [one(node.name?.text ?? 'default', 'value', false)]
  if (!ts.isVariableStatement(node)) return []
  return node.declarationList.declarations.map(({ name, initializer }) => {
    const isFunction = initializer !== undefined && isRoutine(initializer)
    return one(name.getText(file), 'value', isFunction)
  })
}

/** The one name that `(await import('…')).name` takes; null where the whole of it is used. */
function memberOf(imported: ts.CallExpression): string | null {
  let node: ts.Node = imported.parent
  while (ts.isAwaitExpression(node) || ts.isParenthesizedExpression(node)) node = node.parent
  return ts.isPropertyAccessExpression(node) ? node.name.text : null
}

type RoutineNode = ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration

function isRoutine(node: ts.Node): node is RoutineNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node)
  )
}

function routineName(node: RoutineNode): string {
  const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined)
  return named?.getText() ?? '(anonymous)'
}

function ownLines(node: RoutineNode, file: ts.SourceFile): number {
  let inner = 0
  const visit = (child: ts.Node) => {
    if (isRoutine(child)) inner += height(child, file) - 1
    else ts.forEachChild(child, visit)
  }
  ts.forEachChild(node, visit)
  return height(node, file) - inner
}

function height(node: ts.Node, file: ts.SourceFile): number {
  return file.getLineAndCharacterOfPosition(node.end).line + 2 - lineOf(node, file)
}

function lineOf(node: ts.Node, file: ts.SourceFile): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
}

/** `Name extends Base`, so that a rule can let errors be. */
function className(node: ts.ClassDeclaration, file: ts.SourceFile): string {
  return `${node.name?.text ?? ''} ${node.heritageClauses?.map((clause) => clause.getText(file)).join(' ') ?? ''}`.trim()
}

function has(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false)
}

function mentions(file: ts.SourceFile): Set<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node) && !isDeclared(node)) names.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return names
}

function isDeclared(node: ts.Identifier): boolean {
  const { parent } = node
  return 'name' in parent && parent.name === node && ts.isStatement(parent)
}
