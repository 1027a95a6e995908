/** The sheet that a user gets on paper: one HTML file without anything from elsewhere, which every browser prints. */
import { createHash } from 'node:crypto'
import { encode } from 'uqr'

export type Sheet = { user: string; otpauth: string; secret: string; recoveryCodes: string[] }

const STYLE = `
  @page { margin: 2cm }
  body { font: 12pt/1.45 sans-serif; color: #000; background: #fff; max-width: 17cm; margin: 1cm auto }
  h1 { font-size: 16pt } h2 { font-size: 13pt; margin-bottom: .3em } svg { width: 6cm; height: 6cm }
  code, .codes { font-family: monospace; overflow-wrap: anywhere } .codes { columns: 2; font-size: 13pt }
  footer { margin-top: 1cm; font-size: 9pt }
`

/** Needs what an enrolment made, and when (ms since 1970). Gives the page. It holds the secret. */
export function sheetOf({ user, otpauth, secret, recoveryCodes }: Sheet, madeAt: number): string {
  const grouped = secret.replaceAll(/.{4}(?=.)/g, '$& ')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Codes for ${escaped(user)}</title>
<style>${STYLE}</style>
<h1>Your mail asks for a code now</h1>
<p>This sheet is for <strong>${escaped(user)}</strong> alone. Whoever has it has your codes.</p>
<h2>1. Scan this with an authenticator app</h2>
${qrImage(otpauth)}
<p>Or type this into the app: <code>${escaped(grouped)}</code></p>
<h2>2. Type the code right behind your password</h2>
<p>When your mail program asks for the password, type your password and, right behind it and without a space, the six digits that the
app shows: with the password <code>secret</code> and the code <code>123456</code> that is <code>secret123456</code>.
The program may store that; it asks again when it needs a new code.</p>
<h2>3. Without the phone: each of these is good for one login, in place of the six digits</h2>
<div class="codes">${recoveryCodes.map((code) => `<div>${escaped(code)}</div>`).join('')}</div>
<p>Keep this sheet as you keep a key. If it or the phone is lost, tell your administrator at once.</p>
<footer><p>Made ${new Date(madeAt).toISOString().slice(0, 16).replace('T', ' ')} UTC.</p>
<p><code>${escaped(otpauth)}</code></p></footer>
</html>
`
}

/**
 * One mask for all, which every reader takes: finding the prettiest of the eight takes ten times as long, minutes for 10,000 sheets.
 * Each row of the picture is one path, so that printers leave no lines between its dots.
 */
function qrImage(text: string): string {
  const { data, size } = encode(text, { ecc: 'M', border: 4, maskPattern: 0 })
  const runs = data.flatMap((row, y) =>
    [
      ...row
        .map((dark) => (dark ? '1' : '0'))
        .join('')
        .matchAll(/1+/g),
    ].map(({ 0: run, index }) => `M${index} ${y}h${run.length}v1h-${run.length}z`),
  )
  return `<svg viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges" role="img" aria-label="QR code"><path d="${runs.join('')}"/></svg>`
}

function escaped(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replaceAll(/[&<>"']/g, (sign) => names[sign] ?? '')
}

/** Longest file name that every file system takes, in octets. */
const FILE_NAME_MAX = 200

/**
 * Gives a file name that leads nowhere else and is no other user's. ATTACK: a name such as `../../root/.profile` is a good user name.
 * All but plain letters, digits and `@ . _ -` becomes `%` and hex, a dot at the start too; what is too long ends in a hash.
 */
export function sheetName(user: string): string {
  const coded = [...Buffer.from(user)]
    .map((octet, i) => {
      const sign = String.fromCharCode(octet)
      const isPlain = /[a-z0-9@_-]/.test(sign) || (sign === '.' && i > 0)
      return isPlain ? sign : `%${octet.toString(16).padStart(2, '0')}`
    })
    .join('')
  if (coded.length <= FILE_NAME_MAX) return `${coded}.html`
  return `${coded.slice(0, FILE_NAME_MAX - 65)}~${createHash('sha256').update(user).digest('hex')}.html`
}
