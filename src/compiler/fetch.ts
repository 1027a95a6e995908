/**
 * Fetches a feed over http or https. The server is a stranger: it may hang, trickle, send a gigabyte, a bomb, or somewhere
 * else. One deadline holds for all of it, one ceiling for the octets before and after unpacking.
 */
import { lookup } from 'node:dns/promises'
import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { type Address, isPrivate, parseAddress } from '../base/ip.ts'
import { FEED_BODY_MAX, FEED_FETCH_DEADLINE_MS, FEED_NOTE_MAX, FEED_REDIRECTS_MAX } from '../base/gate-limits.ts'
import type { FetchJob } from './job.ts'

export type Fetched =
  | { at: 'body'; body: Buffer; etag: string | null; lastModified: string | null }
  | { at: 'not-modified' }
  | { at: 'failed'; reason: string }

/** What ends a fetch in words of ours: the words of a stranger never go into a log from here. */
class FetchError extends Error {}

type Wanted = Pick<FetchJob, 'url' | 'etag' | 'lastModified' | 'ca'>
/** Where a redirect led, and what the first host was like. */
type Hop = { url: URL; first: URL; wasInside: boolean | null }

/**
 * Needs the address and the validators of the copy in force; gives the body, unpacked, or that it did not change, or why
 * there is none. `deadlineMs` is over all of it; `isInside` tells addresses that no stranger may send us to. Never rejects.
 */
export async function fetchBody(
  wanted: Wanted,
  deadlineMs = FEED_FETCH_DEADLINE_MS,
  isInside: (address: Address) => boolean = isPrivate,
): Promise<Fetched> {
  const stop = AbortSignal.timeout(deadlineMs)
  const late = new Promise<never>((_, reject) => {
    stop.addEventListener('abort', () => {
      reject(new FetchError(`was not done within ${Math.ceil(deadlineMs / 1_000)} s`))
    })
  })
  try {
    return await Promise.race([follow(wanted, isInside, stop), late])
  } catch (error) {
    return { at: 'failed', reason: reasonOf(error) }
  }
}

async function follow(wanted: Wanted, isInside: (address: Address) => boolean, stop: AbortSignal): Promise<Fetched> {
  const first = new URL(wanted.url)
  let hop: Hop = { url: first, first, wasInside: null }
  for (let redirects = 0; ; redirects++) {
    const { parsed: address, lookup: found } = await resolve(hop.url)
    const inside = isInside(address)
    // Attack: a feed's server sends us to a neighbour that only this machine can reach.
    if (inside && hop.wasInside === false) throw new FetchError('redirects to a private address')
    const response = await ask(hop, wanted, found, stop)
    const { statusCode = 0, headers } = response
    if (statusCode === 200) return take(response)
    response.destroy()
    if (statusCode === 304) {
      if (wanted.etag === null && wanted.lastModified === null) throw new FetchError('says "not modified" unasked')
      return { at: 'not-modified' }
    }
    if (![301, 302, 303, 307, 308].includes(statusCode)) throw new FetchError(`answers ${statusCode}`)
    if (redirects >= FEED_REDIRECTS_MAX) throw new FetchError(`redirects more than ${FEED_REDIRECTS_MAX} times`)
    hop = { url: target(headers.location, hop.url), first, wasInside: hop.wasInside ?? inside }
  }
}

function target(location: string | undefined, from: URL): URL {
  if (location === undefined || !URL.canParse(location, from)) throw new FetchError('redirects to nowhere')
  const to = new URL(location, from)
  if (to.protocol !== 'https:' && to.protocol !== 'http:') throw new FetchError('redirects to what is no web address')
  if (from.protocol === 'https:' && to.protocol === 'http:') throw new FetchError('redirects from https to http')
  return to
}

/** Sends the request and gives the head of the answer. */
async function ask(
  { url, first }: Hop,
  wanted: Wanted,
  found: LookupFunction,
  stop: AbortSignal,
): Promise<IncomingMessage> {
  const options: RequestOptions & { ca?: string[] } = {
    method: 'GET',
    agent: false,
    signal: stop,
    maxHeaderSize: FEED_NOTE_MAX / 4,
    lookup: found,
    headers: {
      'user-agent': 'postern',
      accept: '*/*',
      'accept-encoding': 'gzip',
      ...(wanted.etag === null ? {} : { 'if-none-match': wanted.etag }),
      ...(wanted.lastModified === null ? {} : { 'if-modified-since': wanted.lastModified }),
    },
  }
  const { username, password } = first
  if (username !== '' && url.origin === first.origin) options.auth = `${decode(username)}:${decode(password)}`
  if (url.protocol === 'https:') options.ca = [...getCACertificates('default'), ...wanted.ca]
  const send = url.protocol === 'https:' ? secureRequest : plainRequest
  const bare = new URL(url)
  bare.username = bare.password = ''
  return new Promise((answered, failed) => {
    send(bare, options, answered).on('error', failed).end()
  })
}

/** Looked up here and not while connecting, so that the address that is judged is the one that is used. */
async function resolve({ hostname }: URL) {
  const host = hostname.replace(/^\[|\]$/g, '')
  const { address, family } = isIP(host) === 0 ? await lookup(host) : { address: host, family: isIP(host) }
  const parsed = parseAddress(address)
  if (parsed === null) throw new FetchError('has no address that is understood')
  const found: LookupFunction = (_, options, done) => {
    if (options.all === true) done(null, [{ address, family }])
    else done(null, address, family)
  }
  return { parsed, lookup: found }
}

async function take(response: IncomingMessage): Promise<Fetched> {
  const { headers } = response
  const announced = Number(headers['content-length'] ?? 0)
  if (announced > FEED_BODY_MAX)
    throw new FetchError(`announces ${announced} octets; no more than ${FEED_BODY_MAX} are read`)
  const chunks: Buffer[] = []
  let size = 0
  // A body that breaks off makes this throw.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > FEED_BODY_MAX) throw new FetchError(`sends more than ${FEED_BODY_MAX} octets`)
    chunks.push(chunk)
  }
  const body = unpack(Buffer.concat(chunks), headers['content-encoding'] ?? '')
  const measured = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  if (!measured && body.at(-1) !== 10) throw new FetchError('did not say how long the body is, and it ends in mid-line')
  return { at: 'body', body, etag: note(headers.etag), lastModified: note(headers['last-modified']) }
}

/** A compressed transfer, a compressed file, or both. */
function unpack(packed: Buffer, encoding: string): Buffer {
  let body = packed
  if (['gzip', 'x-gzip'].includes(encoding.toLowerCase())) body = gunzip(body)
  else if (!['', 'identity'].includes(encoding.toLowerCase())) throw new FetchError('uses an encoding nobody asked for')
  return body[0] === 0x1f && body[1] === 0x8b ? gunzip(body) : body
}

function gunzip(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: FEED_BODY_MAX })
  } catch (error) {
    const isBomb = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    throw new FetchError(isBomb ? `unpacks to more than ${FEED_BODY_MAX} octets` : 'cannot be unpacked')
  }
}

/** A validator goes back to the server as it came, if it is one that can. */
function note(written: string | undefined): string | null {
  return written !== undefined && /^[\x20-\x7e]{1,500}$/.test(written) ? written : null
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Codes are Node's and OpenSSL's own words; messages may hold what the server sent. */
function reasonOf(error: unknown): string {
  if (error instanceof FetchError) return `the server ${error.message}`
  const { code } = error as NodeJS.ErrnoException
  return `the server cannot be asked: ${code ?? 'unknown error'}`
}
