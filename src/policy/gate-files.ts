/** The files of the gate's checks that stand beside networks.yaml. */
import type { z } from 'zod'
import { compileZones, dnsblSense, type DnsblZone } from './dnsbl.ts'
import { type Geofence, geofenceSchema, geofenceSense, loadGeofence } from './geofence.ts'
import type { Opened, Reading } from './reading.ts'
import { reputationSchema } from './reputation.ts'
import type { Login, SchemaContext } from './schema.ts'
import type { Remarks } from './sense.ts'

export type GateFile = 'reputation' | 'geofence'

/** What the loader lends. `open` gives null for a check that `checks` does not name, and for a file with faults. */
export type GateTools = {
  reading: Reading
  open<T>(
    check: GateFile,
    schema: (context: SchemaContext) => z.ZodType<T>,
  ): Promise<{ opened: Opened; value: T } | null>
  add(opened: Opened, remarks: Remarks): void
}

/** `opened`: the files as read, for words about their values. */
export type GateFiles = { geofence: Geofence | null; dnsbl: DnsblZone[]; opened: Record<GateFile, Opened | null> }

/** Needs the loader's tools, and login.yaml for its exceptions. */
export async function loadGateFiles(tools: GateTools, login: Login | null): Promise<GateFiles> {
  const reputation = await tools.open('reputation', reputationSchema)
  if (reputation !== null) tools.add(reputation.opened, dnsblSense(reputation.value.dnsbl))
  const fence = await tools.open('geofence', geofenceSchema)
  if (fence !== null) tools.add(fence.opened, geofenceSense(fence.value))
  const zones = reputation && {
    ...reputation.value,
    file: reputation.opened.file,
  }
  return {
    geofence: fence && (await loadGeofence(tools.reading, fence.opened, fence.value, login)),
    dnsbl: zones === null ? [] : compileZones(zones.dnsbl, zones.mode, zones.file, 'reputation.yaml'),
    opened: { geofence: fence?.opened ?? null, reputation: reputation?.opened ?? null },
  }
}
