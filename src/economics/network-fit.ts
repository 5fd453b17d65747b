/** Whether a network takes a machine: what it asks for, against what is known of the machine. */
import type { Gpu } from './gpu-data.ts'
import type { GpuNetwork } from './network-data.ts'

/** `null` is not known: then a condition is told, and excludes nothing. */
export interface MachineFacts {
  readonly os: 'linux' | 'windows' | 'macos' | null
  readonly ramGb: number | null
  readonly storageGb: number | null
  readonly downMbps: number | null
  readonly upMbps: number | null
  /** Undervolted, or with a power limit. */
  readonly isPowerLimited: boolean | null
  /** Used for nothing else. */
  readonly isDedicated: boolean | null
  readonly stakeBudgetUsd: number | null
}

export const unknownMachine: MachineFacts = {
  os: null,
  ramGb: null,
  storageGb: null,
  downMbps: null,
  upMbps: null,
  isPowerLimited: null,
  isDedicated: null,
  stakeBudgetUsd: null,
}

export interface Fit {
  /** Each condition that the machine fails, as a sentence: one is enough to be excluded. */
  readonly failures: readonly string[]
  /** Each condition of which it is not known whether the machine meets it: `100 Mbps down`. */
  readonly open: readonly string[]
}

interface Check {
  /** `null`: not known. */
  readonly isMet: boolean | null
  readonly needs: string
  readonly has: string
}

export function fitOf(
  network: GpuNetwork,
  machine: { facts: MachineFacts; gpu: Gpu; gpuCount: number },
): Fit {
  const checks = [...gpuChecks(network, machine), ...machineChecks(network, machine.facts)]
  return {
    failures: checks.flatMap(({ isMet, needs, has }) =>
      isMet === false ? [`It needs ${needs}; you have ${has}.`] : [],
    ),
    open: checks.flatMap(({ isMet, needs }) => (isMet === null ? [needs] : [])),
  }
}

function gpuChecks({ filters }: GpuNetwork, { gpu, gpuCount }: { gpu: Gpu; gpuCount: number }): Check[] {
  const { vendors, architectures, gpu_ids, needs_score, vram_gb_min, gpus_per_machine_max: most } = filters
  const scored = `a GPU that it has a score for`
  return [
    ...oneOf(vendors, gpu.vendor),
    ...oneOf(architectures, gpu.architecture),
    ...(gpu_ids === null
      ? []
      : [{ isMet: gpu_ids.includes(gpu.id), needs: 'a GPU of its list', has: gpu.name }]),
    ...(needs_score === null ? [] : [{ isMet: gpu[needs_score] !== null, needs: scored, has: gpu.name }]),
    ...atLeast(vram_gb_min, gpu.vram_gb, 'GB of GPU memory'),
    ...(most === null
      ? []
      : [
          {
            isMet: gpuCount <= most,
            needs: `at most ${most} GPU${most === 1 ? '' : 's'} in a machine`,
            has: `${gpuCount}`,
          },
        ]),
  ]
}

function machineChecks({ filters }: GpuNetwork, facts: MachineFacts): Check[] {
  const { os, is_dedicated, allows_power_limit } = filters
  const limited = facts.isPowerLimited
  return [
    ...oneOf(os?.map((name) => osNames[name]) ?? null, facts.os && osNames[facts.os]),
    ...atLeast(filters.ram_gb_min, facts.ramGb, 'GB of memory'),
    ...atLeast(filters.storage_gb_min, facts.storageGb, 'GB of fast storage'),
    ...atLeast(filters.down_mbps_min, facts.downMbps, 'Mbps down'),
    ...atLeast(filters.up_mbps_min, facts.upMbps, 'Mbps up'),
    ...(is_dedicated
      ? [{ isMet: facts.isDedicated, needs: 'the machine for itself', has: 'other uses for it' }]
      : []),
    ...(allows_power_limit === false
      ? [{ isMet: limited === null ? null : !limited, needs: 'a GPU without a power limit', has: 'one' }]
      : []),
  ]
}

const osNames = { linux: 'Linux', windows: 'Windows', macos: 'macOS' } as const

const oneOf = (list: readonly string[] | null, value: string | null): Check[] =>
  list === null
    ? []
    : [{ isMet: value === null ? null : list.includes(value), needs: list.join(' or '), has: value ?? '' }]

const atLeast = (min: number | null, value: number | null, unit: string): Check[] =>
  min === null
    ? []
    : [{ isMet: value === null ? null : value >= min, needs: `${min} ${unit}`, has: `${value}` }]
