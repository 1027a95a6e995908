import { createRequire } from 'node:module'

/**
 * Gives the path of the database of last resort: it comes with Postern as a package, needs no licence key, and its
 * countries are those of the registries. It is no longer updated.
 */
export function builtinDatabase(): string {
  return createRequire(import.meta.url).resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb')
}
