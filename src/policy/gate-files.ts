/** The files of the gate's checks: each is read when `checks` names it. */
import type { z } from 'zod'
import type { CompiledGate, CompiledRates } from '../gate/verdict.ts'
import { compileZones, dnsblSense, type DnsblZone } from './dnsbl.ts'
import { type Geofence, geofenceSchema, geofenceSense, loadGeofence } from './geofence.ts'
import { loadNetworks } from './lists.ts'
import { compileRates, ratesSchema, ratesSense } from './rates.ts'
import type { Opened, Reading } from './reading.ts'
import { loadReputation, type ReputationPolicy, reputationSense } from './reputation.ts'
import { reputationSchema } from './reputation-schema.ts'
import { type Login, networksSchema, type SchemaContext } from './schema.ts'
import type { Remarks } from './sense.ts'

export type GateFile = 'networks' | 'reputation' | 'geofence' | 'rates'

/** What the loader lends. `open` gives null for a check that `checks` does not name, and for a file with faults. */
export type GateTools = {
  reading: Reading
  open<T>(
    check: GateFile,
    schema: (context: SchemaContext) => z.ZodType<T>,
  ): Promise<{ opened: Opened; value: T } | null>
  add(opened: Opened, remarks: Remarks): void
}

export type GatePolicies = {
  networks: CompiledGate['networks']
  reputation: ReputationPolicy | null
  /** The zones of reputation.yaml. */
  dnsbl: DnsblZone[]
  geofence: Geofence | null
  rates: CompiledRates | null
}

/** `opened`: the files as read, for words about their values. */
export type GateFiles = GatePolicies & { opened: Record<'geofence' | 'reputation', Opened | null> }

/** Needs the loader's tools, login.yaml for its exceptions, and the state folder for the copies of feeds. */
export async function loadGateFiles(tools: GateTools, login: Login | null, state: string | null): Promise<GateFiles> {
  const { reading } = tools
  const networks = await tools.open('networks', networksSchema)
  const reputation = await tools.open('reputation', reputationSchema)
  if (reputation !== null) {
    tools.add(reputation.opened, reputationSense(reputation.value))
    tools.add(reputation.opened, dnsblSense(reputation.value.dnsbl))
  }
  const fence = await tools.open('geofence', geofenceSchema)
  if (fence !== null) tools.add(fence.opened, geofenceSense(fence.value))
  const rates = await tools.open('rates', ratesSchema)
  if (rates !== null) tools.add(rates.opened, ratesSense(rates.value))
  return {
    networks: networks && (await loadNetworks(reading, networks.opened, networks.value)),
    reputation: reputation && (await loadReputation(reading, reputation.opened, reputation.value, state)),
    dnsbl: reputation === null ? [] : zonesOf(reputation.opened, reputation.value),
    geofence: fence && (await loadGeofence(reading, fence.opened, fence.value, login)),
    rates: rates && compileRates(rates.value, rates.opened.file, 'rates.yaml'),
    opened: { geofence: fence?.opened ?? null, reputation: reputation?.opened ?? null },
  }
}

function zonesOf({ file }: Opened, { dnsbl, mode }: z.output<ReturnType<typeof reputationSchema>>): DnsblZone[] {
  return compileZones(dnsbl, mode, file, 'reputation.yaml')
}
