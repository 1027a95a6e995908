/** rates.yaml: its schema, and what the keeper gets of it. */
import type { z } from 'zod'
import type { CompiledRates } from '../gate/verdict.ts'
import { count, rate, section, word } from './leaf.ts'
import type { Remarks } from './sense.ts'
import type { YamlFile } from './yaml-file.ts'

const concurrent = count(1, 1_000_000)

/** Gives the schema of rates.yaml. */
export function ratesSchema() {
  return section({
    mode: word('enforce', 'monitor').prefault('enforce'),
    per_address: section({ connections: rate.prefault('120/1m'), concurrent: concurrent.prefault(40) }).prefault({}),
    per_network: section({
      connections: rate.prefault('1200/1m'),
      concurrent: concurrent.prefault(400),
      ipv4: count(8, 32).prefault(24),
      ipv6: count(16, 128).prefault(56),
    }).prefault({}),
    known_factor: count(1, 1_000).prefault(10),
  })
}

type Rates = z.output<ReturnType<typeof ratesSchema>>

/** Needs rates.yaml as examined. */
export function ratesSense({ per_address: one, per_network: all }: Rates): Remarks {
  const slower = all.connections.count / all.connections.per < one.connections.count / one.connections.per
  const message = 'is less than `per_address` has: no address of a network ever gets its own'
  return {
    faults: [],
    warnings: [
      ...(slower ? [{ path: ['per_network', 'connections'], message }] : []),
      ...(all.concurrent < one.concurrent ? [{ path: ['per_network', 'concurrent'], message }] : []),
    ],
  }
}

/** Needs rates.yaml as examined and as read; `name` is what rules call the file. A limit that is left to its default has the first line. */
export function compileRates(rates: Rates, file: YamlFile, name: string): CompiledRates {
  const { mode, per_address, per_network, known_factor } = rates
  const at = (key: string) => ({ file: name, line: file.placeOfKey([], key).line, rule: `rates.${key}` })
  const { ipv4, ipv6, ...network } = per_network
  return {
    mode,
    perAddress: { ...per_address, by: at('per_address') },
    perNetwork: { ...network, by: at('per_network') },
    network: { ipv4, ipv6 },
    knownFactor: known_factor,
  }
}
