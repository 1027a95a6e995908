/**
 * Who gets a place: rates, ceilings, and room made under pressure. It answers from memory and at once, for all fronts one after the
 * other, so that no two of them can both take the last place.
 */
import type { AuditEvent, RuleAt } from '../audit/events.ts'
import { networkOf, parseAddress } from '../base/ip.ts'
import { HELD_MAX_MS, PRESSURE_SHARE, SPOKEN_SHARE } from '../base/gate-limits.ts'
import type { Clock } from '../base/clock.ts'
import { createRates } from '../gate/rates.ts'
import type { CompiledRates } from '../gate/verdict.ts'
import type { Concentration } from './concentration.ts'
import type { Known } from './known.ts'
import type { AdmitAnswer, FromFront } from './messages.ts'
import type { Ceilings, Session, SessionTable } from './sessions.ts'

type Admit = Extract<FromFront, { kind: 'admit' }>

export type AdmissionContext = {
  clock: Clock
  sessions: Pick<SessionTable, 'admit' | 'evict' | 'waiting' | 'size'>
  known: Known
  concentration: Pick<Concentration, 'note'>
  /** The policies in force; null where `checks` does not name rates. */
  rates(): CompiledRates | null
  ceilings(): Ceilings
  emit(event: AuditEvent): void
  /** Tells the front of a session to end it. */
  evicted(session: Session): void
}

export type Admission = {
  /** Gives a place, or says no; the audit has heard why by then. */
  admit(front: number, message: Admit): AdmitAnswer
  /** The gate of a front turned away so many connections from there: they too show where connections come from. */
  turnedAway(ip: string, count: number): void
}

/** What one site usually holds, where rates.yaml does not say. */
const NETWORK = { ipv4: 24, ipv6: 56 }

/** Gives the admission of one keeper. Its tables have ceilings of their own. */
export function createAdmission(context: AdmissionContext): Admission {
  const { clock, sessions, known, concentration, emit } = context
  const rates = createRates()

  return {
    turnedAway(ip, count) {
      concentration.note(ip, count, clock.monotonic())
    },
    admit(front, message) {
      const { ip, listener, port } = message
      const address = parseAddress(ip)
      if (address === null) return { say: 'trouble' }
      const now = clock.monotonic()
      concentration.note(ip, 1, now)
      const policy = context.rates()
      const ceilings = context.ceilings()
      // ATTACK: strangers in the network of an office use up its room. Known addresses are counted apart from them.
      const isKnown = known.holds(ip, clock.now())
      const network = `${isKnown ? '+' : ''}${networkOf(address, policy?.network ?? NETWORK)}`
      const denied = (by: RuleAt, mayHear: boolean, afterMs: number): AdmitAnswer => {
        emit({ stream: 'access', action: 'connection-denied', connection: { listener, ip, port }, by })
        return { say: 'denied', mayHear, by, afterMs: Math.min(afterMs, HELD_MAX_MS) }
      }
      if (policy !== null) {
        const waiting = { here: sessions.waiting.at(ip), there: sessions.waiting.within(network) }
        const verdict = rates.judge(policy, { ip, network, known: isKnown, waiting }, now)
        if (verdict.say === 'deny' && policy.mode === 'enforce')
          return denied(verdict.by, sessions.size() < ceilings.connections * SPOKEN_SHARE, verdict.afterMs)
        if (verdict.say === 'deny')
          emit({
            stream: 'access',
            action: 'connection-would-deny',
            connection: { listener, ip, port },
            by: verdict.by,
          })
      }
      // Who is over its own share gets no place, so nobody has to leave for it.
      if (sessions.waiting.at(ip) < ceilings.perAddress) makeRoom(context, ceilings)
      const given = sessions.admit(front, message, network, ceilings)
      if ('id' in given) return { say: 'admitted', session: given.id }
      return denied({ file: 'postern.yaml', line: 0, rule: given.full }, false, 0)
    },
  }
}

/**
 * Near the ceiling the oldest connection of the busiest network goes, if more than one waits from there; at the ceiling even a single
 * one. So a flood pushes out itself, and whoever comes alone keeps the time that `limits.login_time` gives.
 */
function makeRoom({ sessions, evicted }: AdmissionContext, { connections }: Ceilings): void {
  if (sessions.size() < connections * PRESSURE_SHARE) return
  const busiest = sessions.waiting.busiest()
  if (busiest === null || (busiest.count < 2 && sessions.size() < connections)) return
  const session = sessions.evict(busiest.oldest)
  if (session !== null) evicted(session)
}
