// Rules that find faults, not tastes: prettier has the taste. Each ban says what to do instead.
import tseslint from 'typescript-eslint'

const root = new URL('../..', import.meta.url).pathname

const bans = [
  {
    // The rules that follow an `any` through the types would cost an eighth of the check; this is where ours come from.
    selector:
      "VariableDeclarator:not([id.typeAnnotation]) > CallExpression[callee.object.name='JSON'][callee.property.name='parse']",
    message: 'Nobody knows what came: give it a type that says so (unknown), or read it with a schema.',
  },
  { selector: 'TSEnumDeclaration', message: 'Use a union of words.' },
  { selector: 'ExportDefaultDeclaration', message: 'Give it a name.' },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Anyone can guess it: use node:crypto.',
  },
]

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'test/real/corpus'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.ts'], extends: [tseslint.configs.base] },
  {
    // Tests are typed, formatted, run, and looked at by `tests.test.ts`; to lint them besides would take a quarter of the check's time.
    files: ['src/**/*.ts'],
    languageOptions: { parserOptions: { project: 'test/house/tsconfig.dist.json', tsconfigRootDir: root } },
    rules: {
      // A promise nobody waits for is an error nobody sees, and in this program an error must deny.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      // Unions are closed: a new variant must be thought of everywhere. `default: return never(x)` does it too.
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // What comes from outside is `unknown` until it was read.
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/restrict-plus-operands': 'error',
      '@typescript-eslint/strict-boolean-expressions': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-implied-eval': 'error',
      // Fronts load no package: an import that is only of types must leave nothing behind.
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-import-type-side-effects': 'error',
    },
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-eval': 'error',
      'no-new-func': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-fallthrough': 'error',
      'no-unsafe-finally': 'error',
      'no-console': ['error'],
      'no-restricted-syntax': ['error', ...bans],
    },
  },
)
