/** The table of `bench -- peers`, with what is aimed at. */
import { cpus } from 'node:os'
import type { FrontEnd } from './front-ends.ts'
import { median, tableOf } from './table.ts'

export type Figures = { name: string; unit: string; of: Map<string, number[]> }
export type Results = { fronts: FrontEnd[]; figures: Figures[]; denial: number | null; rounds: number }

/** At most so many times the peer. */
const AIMS: Record<string, Record<string, number>> = {
  'full login': { dovecot: 1, nginx: 1.15 },
  'resumed login': { dovecot: 1, nginx: 1.15 },
  'bulk, 1 x 10 MiB': { haproxy: 0.85 },
  'small messages, 8 x 2 KiB': { haproxy: 1 },
}
const IDLE_KIB = 48
const DENIAL_SHARE = 0.1

/** Gives the page as Markdown. */
export function report({ fronts, figures, denial, rounds }: Results): string {
  const peers = fronts.map(({ name }) => name).filter((name) => name !== 'postern')
  const rows = figures.map(({ name, unit, of }) => {
    const middle = (who: string) => median(of.get(who) ?? [])
    const ratio = (who: string) => middle('postern') / middle(who)
    return [
      name,
      unit,
      ...[...peers, 'postern'].map((who) => middle(who).toPrecision(3)),
      ...peers.map((who) => ratio(who).toFixed(2)),
      verdict(name, middle('postern'), ratio),
    ]
  })
  const login = median(figures[0]?.of.get('postern') ?? [])
  const denials =
    denial === null
      ? ''
      : `\nA connection that is denied before TLS: ${denial.toPrecision(2)} ms of processor time, ${(denial / login).toFixed(3)} of a full login (aim: under ${DENIAL_SHARE}).\n`
  const head = ['', 'unit', ...peers, 'postern', ...peers.map((who) => `/ ${who}`), 'aim']
  return `# Postern beside C front ends

Written by \`npm run bench -- peers\` on ${new Date().toISOString().slice(0, 10)}. Medians of ${rounds} rounds in turns, on ${cpus().length} processors; memory of 3,000
sessions, once. Processor time is that of all processes of the one measured, kernel time in their name included; the ratios are what to
look at, the figures move with the machine.

${tableOf(head, rows)}
${denials}
The last columns are Postern's figure over that of the peer. Each has two processes or threads, TLS 1.3, an ECDSA certificate on P-256, AES-128-GCM
and X25519. HAProxy passes octets on unread; nginx and Dovecot read the login and let everybody in. Postern has all four checks of the
gate on, with 50,000 networks and the countries, asks for a one-time code that is used once, and has every login on disk before its +OK.

${fronts.map(({ version }) => `- ${version}`).join('\n')} on Node ${process.versions.node}, OpenSSL ${process.versions.openssl}
`
}

function verdict(name: string, figure: number, ratio: (peer: string) => number): string {
  if (name === 'idle session') return mark(figure, IDLE_KIB, `${IDLE_KIB} KiB`)
  return Object.entries(AIMS[name] ?? {})
    .map(([peer, most]) => mark(ratio(peer), most, `${most} x ${peer}`))
    .join('; ')
}

function mark(figure: number, most: number, words: string): string {
  return figure <= most ? `${words}: met` : `${words}: missed by ${Math.round((figure / most - 1) * 100)} %`
}
