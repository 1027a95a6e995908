// Rules that find faults, not tastes: prettier has the taste. Each ban says what to do instead.
import tseslint from 'typescript-eslint'

const root = new URL('../..', import.meta.url).pathname

const bans = [
  { selector: 'TSEnumDeclaration', message: 'Use a union of words.' },
  { selector: 'ExportDefaultDeclaration', message: 'Give it a name.' },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Anyone can guess it: use node:crypto.',
  },
  {
    selector: "CallExpression[callee.property.name='skip'], CallExpression[callee.property.name='only']",
    message: 'Every test runs, always.',
  },
]

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'test/real/corpus'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.ts'], extends: [tseslint.configs.base] },
  {
    // Rules that ask for types cost ten times the others: the product is worth it, and its tests are run besides.
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
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/restrict-plus-operands': 'error',
      '@typescript-eslint/strict-boolean-expressions': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-deprecated': 'error',
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
  {
    files: ['test/house/*.config.{js,ts}'],
    rules: { 'no-restricted-syntax': 'off' },
  },
)
