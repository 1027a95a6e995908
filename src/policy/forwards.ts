/** The forwards in force: what `audit.forward` says, with its certificates read and held against each other. */
import { createSecureContext } from 'node:tls'
import type { Stream } from '../audit/events.ts'
import { parseAddress } from '../base/ip.ts'
import { CERTIFICATE_FILE_MAX } from '../base/limits.ts'
import { Secret } from '../base/secret.ts'
import type { ForwardTo } from './forward-schema.ts'
import type { FileKind } from './read-file.ts'
import type { Reading } from './reading.ts'
import type { Postern } from './schema.ts'
import { isExposed, type Remark, type Remarks } from './sense.ts'

/** `tls`: null for plain TCP; `ca` null: the authorities that this machine trusts; PEM all of it. */
export type ForwardPlan = {
  to: ForwardTo
  streams: readonly Stream[]
  tls: { ca: string | null; name: string | null; cert: string | null; key: Secret | null } | null
}

/** Needs `audit.forward` as examined, and the load under way. Gives the plans, and what is wrong with them. */
export async function loadForwards(
  forward: Postern['audit']['forward'],
  { reader, shown }: Pick<Reading, 'reader' | 'shown'>,
): Promise<{ plans: ForwardPlan[]; remarks: Remarks }> {
  const faults: Remark[] = []
  const plans: ForwardPlan[] = []
  for (const [i, item] of forward.entries()) {
    const add = (key: string, message: string) => {
      faults.push({ path: ['audit', 'forward', i, key], message })
    }
    const read = async (key: 'ca' | 'cert' | 'key', kind: FileKind) => {
      const path = item[key]
      if (path === undefined) return null
      const text = await reader.read(path, kind, CERTIFICATE_FILE_MAX)
      if (text.ok) return text.text
      add(key, `${text.message}; mend ${shown(path)}, or take it out`)
      return null
    }
    if (forward.findIndex(({ to }) => to.label === item.to.label) < i)
      add('to', 'is named twice; name all its streams in one')
    const [ca, cert, key] = [
      await read('ca', 'certificate'),
      await read('cert', 'certificate'),
      await read('key', 'key'),
    ]
    for (const [name, message] of misfits(item, ca, cert, key)) add(name, message)
    const { to, streams, name = null } = item
    const secret = key === null ? null : new Secret(Buffer.from(key))
    plans.push({ to, streams, tls: to.secure ? { ca, name, cert, key: secret } : null })
  }
  return { plans, remarks: { faults, warnings: plainText(plans) } }
}

type Item = Postern['audit']['forward'][number]

function misfits(item: Item, ca: string | null, cert: string | null, key: string | null): [string, string][] {
  const useless = (['ca', 'name', 'cert', 'key'] as const).find((one) => item[one] !== undefined)
  if (!item.to.secure)
    return useless === undefined ? [] : [[useless, 'is for TLS; write syslog+tls:// above, or take it out']]
  if (ca !== null && !fits({ ca })) return [['ca', 'holds no certificate in PEM form']]
  if ((item.cert === undefined) !== (item.key === undefined)) {
    return [item.cert === undefined ? ['key', 'needs `cert` beside it'] : ['cert', 'needs `key` beside it']]
  }
  if (cert !== null && key !== null && !fits({ cert, key })) return [['cert', 'and `key` are no pair in PEM form']]
  return []
}

function fits(made: { ca: string } | { cert: string; key: string }): boolean {
  if ('ca' in made && !made.ca.includes('-----BEGIN CERTIFICATE-----')) return false
  try {
    createSecureContext(made)
    return true
  } catch {
    return false
  }
}

/** Names of users and addresses travel along. */
function plainText(plans: ForwardPlan[]): Remark[] {
  return plans.flatMap(({ to }, i) =>
    to.secure || parseAddress(to.host) === null || !isExposed(to.host)
      ? []
      : [
          {
            path: ['audit', 'forward', i, 'to'],
            message: 'sends the audit in plain text beyond private networks; use syslog+tls',
          },
        ],
  )
}
