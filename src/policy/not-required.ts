/** `second_factor.not_required_from`: networks where the password alone is enough, held against what could make strangers come from there. */
import { contains, overlaps, parseAddress } from '../base/ip.ts'
import { work } from '../compiler/job.ts'
import type { Login, Postern } from './schema.ts'
import { EVERYBODY, type Remark, type Remarks } from './sense.ts'

const AT = ['second_factor', 'not_required_from']

/** Needs both files as examined. Nothing of it is a fault: an operator may have a reason. */
export function notRequiredSense(
  { second_factor: { not_required_from: ranges } }: Login,
  { listeners }: Postern,
): Remarks {
  const single = ranges.flatMap(({ text }, i) =>
    EVERYBODY.includes(text) ? [{ path: [...AT, i], message: 'is everybody: the password alone is enough' }] : [],
  )
  const balancers = listeners.flatMap(({ proxy_protocol_from: from }) => from)
  const balanced = ranges.flatMap((range, i) => {
    const balancer = balancers.find((one) => overlaps(one, range))
    const message = `holds the balancer ${balancer?.text ?? ''} of \`proxy_protocol_from\`: what comes from there without a client's own address needs no code`
    return balancer === undefined ? [] : [{ path: [...AT, i], message }]
  })
  return { faults: [], warnings: [...single, ...(single.length === 0 ? together(ranges) : []), ...balanced] }
}

/** `0.0.0.0/1` and `128.0.0.0/1` are everybody as well. */
function together(ranges: Login['second_factor']['not_required_from']): Remark[] {
  const bytes = Buffer.from(ranges.map(({ text }) => text).join('\n'))
  const made = work({ do: 'lists', sources: [{ name: '', bytes, digest: '' }] })
  const covers = made.at === 'lists' ? made.covers : []
  return covers.map((family) => ({ path: AT, message: `covers all of ${family}: the password alone is enough` }))
}

/** Needs login.yaml as examined and the routers of this machine; gives a word on each network that holds one. */
export function gatewayRemarks({ second_factor }: Login, gateways: ReadonlySet<string>): Remark[] {
  const routers = [...gateways].flatMap((text) => parseAddress(text) ?? [])
  return second_factor.not_required_from.flatMap((range, i) => {
    const router = routers.find((one) => contains(range, one))
    const message = `holds ${router?.text ?? ''}, the gateway of this machine: where it translates addresses, everybody comes from there`
    return router === undefined ? [] : [{ path: [...AT, i], message }]
  })
}
