/**
 * Reads a dialogue: one text file with all that client, old server and audit say on one page.
 *
 *     # words about the threat                             (kept as the name of the test: the first line)
 *     @ login {"trusted_device": {"for": "off"}}           policy laid over the working set: postern, login, networks, reputation or
 *                          rates; {backend} and {resolver} are the addresses of the two below
 *     @ backend {"capabilities": ["TOP"], "greeting": ""}  the old server: CAPA lines (null: none), its greeting
 *     @ zone {"7.113.0.203.lists.example": ["127.0.0.2"]}  what a resolver answers; no other name exists
 *     @ client {"version": "TLSv1.2", "proxy": "PROXY …"}   its TLS; what a balancer in front of it sends before all else
 *     C> USER ann          the client sends a line; C>| sends without a line end; \r \n \0 \xHH \\ are bytes;
 *                          {code} {code-1} {code+4} {recovery:0} are ann's codes, {app:scanner} an app password, {base64:…} is encoded, {repeat:N:x} repeats
 *     C< +OK Send PASS.    the client must hear this line; `…` stands for anything
 *     C< EOF | RESET | GONE                                the connection must end so; GONE: in either way
 *     C end | reset | close                                the client closes its side | breaks | both at once
 *     2> 2<                a second client; `2 open` connects it
 *     B< PASS secret       the old server must hear this next     B> +OK in     it answers     B end | reset
 *     B next               the following B steps are about the next connection to the old server
 *     B< EOF               the old server must see its connection closed without another line
 *     K …                  something happens to Postern: see steps.ts
 *     A auth login-failed code-wrong user=ann              the audit's lines, in the order of each stream
 *
 * Steps run from top to bottom. Lines of the audit that no `A` names must not exist, but for those of start and stop.
 */
export type Step =
  | { do: 'send'; client: number; text: string; newline: boolean }
  | { do: 'hear'; client: number; text: string }
  | { do: 'client'; client: number; act: string }
  | { do: 'server-hear'; text: string }
  | { do: 'server-say'; text: string; newline: boolean }
  | { do: 'server'; act: string }
  | { do: 'postern'; act: string }
  | { do: 'audit'; stream: string; words: string[] }

export type Numbered = Step & { line: number }
export type Dialogue = { title: string; settings: Record<string, Record<string, unknown>>; steps: Numbered[] }

/** Needs the text of a dialogue. Throws with the line for what is not understood: a typo must not pass as a test. */
export function readDialogue(text: string): Dialogue {
  const settings: Dialogue['settings'] = {}
  const steps: Numbered[] = []
  const lines = text.split('\n')
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#') || line.trim() === '') continue
    const setting = /^@ (\w+) (.*)$/.exec(line)
    if (setting !== null) settings[setting[1] ?? ''] = JSON.parse(setting[2] ?? '') as Record<string, unknown>
    else steps.push({ ...readStep(line, index + 1), line: index + 1 })
  }
  return { title: (lines[0] ?? '').replace(/^#\s*/, ''), settings, steps }
}

function readStep(line: string, number: number): Step {
  const client = /^([C2-9])(>\||>|<| )\s?(.*)$/.exec(line)
  if (client !== null) {
    const [, who = 'C', how = '', text = ''] = client
    const id = who === 'C' ? 1 : Number(who)
    if (how === '<') return { do: 'hear', client: id, text }
    if (how === ' ') return { do: 'client', client: id, act: text }
    return { do: 'send', client: id, text, newline: how === '>' }
  }
  const server = /^B(>\||>|<| )\s?(.*)$/.exec(line)
  if (server !== null) {
    const [, how = '', text = ''] = server
    if (how === '<') return { do: 'server-hear', text }
    if (how === ' ') return { do: 'server', act: text }
    return { do: 'server-say', text, newline: how === '>' }
  }
  if (line.startsWith('K ')) return { do: 'postern', act: line.slice(2) }
  const audit = /^A (\w+) (.*)$/.exec(line)
  if (audit !== null) return { do: 'audit', stream: audit[1] ?? '', words: (audit[2] ?? '').split(' ') }
  throw new Error(`line ${number} is not understood: ${line}`)
}

/** What only the running server's user knows. */
export type Codes = { code(steps: number): string; recovery(index: number): string; app(name: string): string }

/** Turns the escapes of a dialogue into bytes. */
export function bytesOf(text: string, codes: Codes): Buffer {
  const filled = text
    .replace(/\{code([+-]\d+)?\}/g, (_, steps?: string) => codes.code(Number(steps ?? 0)))
    .replace(/\{recovery:(\d)\}/g, (_, index: string) => codes.recovery(Number(index)))
    .replace(/\{app:(\w+)\}/g, (_, name: string) => codes.app(name))
    .replace(/\{repeat:(\d+):(.*?)\}/g, (_, times: string, what: string) => what.repeat(Number(times)))
    .replace(/\{base64:(.*?)\}/g, (_, what: string) => unescape(what).toString('base64'))
  return unescape(filled)
}

function unescape(text: string): Buffer {
  const named: Record<string, string> = { r: '\r', n: '\n', '0': '\0', '\\': '\\' }
  const plain = Buffer.from(text, 'utf8').toString('latin1')
  return Buffer.from(
    plain.replace(/\\(x[0-9a-f]{2}|.)/gi, (_, what: string) =>
      what.length === 3 ? String.fromCharCode(Number.parseInt(what.slice(1), 16)) : (named[what] ?? what),
    ),
    'latin1',
  )
}
