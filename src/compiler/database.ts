/** Fetches a database of countries or systems over https. Runs in a process of its own: a hostile server meets no secret here. */
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { DATABASE_MAX, DATABASE_REDIRECTS_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { unpack } from './unpack.ts'

/** What the server said of the copy that is there, so that an unchanged one is not sent again (RFC 9110, 13.1). */
export type Validators = { etag: string | null; lastModified: string | null }
export type Fetched = { changed: false } | ({ changed: true; bytes: Buffer } & Validators)

/**
 * Needs the address (https; a name and a password in it are sent as Basic authorization, as MaxMind wants it), the
 * validators of the copy at hand, and the deadline for all of it in ms. Gives the unpacked database, or the fault.
 * Faults never hold the address, as it may hold a key.
 */
export async function fetchDatabase(url: string, known: Validators, deadlineMs: number): Promise<Parsed<Fetched>> {
  const signal = AbortSignal.timeout(deadlineMs)
  try {
    const response = await follow(new URL(url), known, signal)
    if (!response.ok) return response
    const { statusCode: status, headers } = response.value
    if (status === 304) {
      response.value.resume()
      return parsed({ changed: false })
    }
    if (status !== 200) {
      response.value.destroy()
      return faulty(`the server answered ${String(status)}`)
    }
    const body = await bodyOf(response.value)
    const bytes = body.ok ? unpack(body.value) : body
    if (!bytes.ok) return faulty(`what the server sent ${bytes.fault}`)
    const { etag = null, 'last-modified': lastModified = null } = headers
    return parsed({ changed: true, bytes: bytes.value, etag, lastModified })
  } catch (error) {
    if (signal.aborted) return faulty(`it took longer than ${Math.round(deadlineMs / 1_000)} s`)
    return faulty(`it failed: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`)
  }
}

async function follow(from: URL, known: Validators, signal: AbortSignal): Promise<Parsed<IncomingMessage>> {
  let url = from
  for (let hops = 0; hops <= DATABASE_REDIRECTS_MAX; hops++) {
    if (url.protocol !== 'https:') return faulty('the server points to an address without https')
    // The key goes to the server it is meant for, and to no other that it points to.
    const response = await ask(url, url.origin === from.origin ? from : null, known, signal)
    const { statusCode: status = 0, headers } = response
    if (![301, 302, 303, 307, 308].includes(status)) return parsed(response)
    response.destroy()
    if (headers.location === undefined) return faulty('the server points elsewhere without saying where')
    url = new URL(headers.location, url)
  }
  return faulty('the server points from one address to the next')
}

function ask(url: URL, key: URL | null, known: Validators, signal: AbortSignal): Promise<IncomingMessage> {
  const auth =
    key === null || key.username === '' ? {} : { auth: decodeURIComponent(`${key.username}:${key.password}`) }
  const headers = {
    'user-agent': 'postern',
    ...(known.etag === null ? {} : { 'if-none-match': known.etag }),
    ...(known.lastModified === null ? {} : { 'if-modified-since': known.lastModified }),
  }
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers, signal, ...auth }, resolve).once('error', reject)
  })
}

/** Attack: a gigabyte, or a stream without an end. What the server says of the length is no promise. */
async function bodyOf(response: IncomingMessage): Promise<Parsed<Buffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > DATABASE_MAX) return faulty(`has more than ${DATABASE_MAX} octets`)
    chunks.push(chunk)
  }
  return response.complete ? parsed(Buffer.concat(chunks)) : faulty('is cut short')
}
