/** Reads what smart plugs answer over HTTP. Pure: whoever asks them passes the JSON in. */
import { z } from 'zod'

export interface PlugReading {
  readonly watts: number
  /** Since some start of the plug's own; `null` where it does not count. */
  readonly wattHours: number | null
}
/** Why there is no reading. */
export interface PlugProblem {
  readonly problem: string
  /** True when it can be told that a plug of that kind answered. */
  readonly isOfPlug: boolean
}
export type PlugKind = 'shelly-rpc' | 'shelly' | 'tasmota'

/** Far above any socket, far below where sums lose their digits. */
const Watts = z.number().min(-100_000).max(100_000)
const Total = z.number().min(0).max(1e12)

/** `Switch.GetStatus` and `PM1.GetStatus` of the second generation of Shelly and later: watts, and watt-hours. */
const ShellyRpc = z.object({ apower: Watts, aenergy: z.object({ total: Total }).optional() })

/** `/status` of the first generation of Shelly: watts, and watt-minutes. */
const ShellyMeter = z.object({ power: Watts, is_valid: z.boolean().optional(), total: Total.optional() })
const Shelly = z.object({ meters: z.array(ShellyMeter).min(1) })

/** `Status 8` and `Status 10` of Tasmota: watts, and kilowatt-hours. Plugs with several sockets answer with lists. */
const TasmotaEnergy = z.object({ Power: Watts, Total: Total.optional() })
const Tasmota = z.union([
  z.object({ StatusSNS: z.object({ ENERGY: TasmotaEnergy }) }).transform((reply) => reply.StatusSNS.ENERGY),
  z.object({ StatusPWR: TasmotaEnergy }).transform((reply) => reply.StatusPWR),
])

/** The reading, or in a sentence why there is none. */
export function parsePlugReply(kind: PlugKind, reply: unknown): PlugReading | PlugProblem {
  switch (kind) {
    case 'shelly-rpc': {
      const parsed = ShellyRpc.safeParse(reply)
      if (!parsed.success) return unreadable(reply)
      return checked(parsed.data.apower, parsed.data.aenergy?.total ?? null)
    }
    case 'shelly': {
      const [meter, other] = Shelly.safeParse(reply).data?.meters ?? []
      if (!meter) return unreadable(reply)
      if (other) return SEVERAL
      if (meter.is_valid === false) return ofPlug('it says that its own measurement is not valid')
      return checked(meter.power, meter.total === undefined ? null : meter.total / 60)
    }
    case 'tasmota': {
      const energy = Tasmota.safeParse(reply).data
      if (!energy) return unreadable(reply)
      return checked(energy.Power, energy.Total === undefined ? null : energy.Total * 1_000)
    }
  }
}

/** A meter at rest may show a little below zero; a machine never feeds power in. */
const NOISE_WATTS = 5

function checked(watts: number, wattHours: number | null): PlugReading | PlugProblem {
  if (watts < -NOISE_WATTS)
    return ofPlug(`it reads ${watts} W, below zero: it measures something that feeds power in`)
  return { watts: Math.max(0, watts), wattHours }
}

const Complaint = z.union([
  z.object({ WARNING: z.string() }).transform((reply) => reply.WARNING),
  z.object({ message: z.string() }).transform((reply) => reply.message),
])
const ManySockets = z.object({ StatusSNS: z.object({ ENERGY: z.object({ Power: z.array(z.number()) }) }) })

const ofPlug = (problem: string): PlugProblem => ({ problem, isOfPlug: true })
const SEVERAL = ofPlug('it measures several sockets, and which one this machine is on is not known')

function unreadable(reply: unknown): PlugProblem {
  const said = Complaint.safeParse(reply).data
  if (said !== undefined) return ofPlug(`it says: ${said.replaceAll(/\s+/g, ' ').slice(0, 200)}`)
  if (ManySockets.safeParse(reply).success) return SEVERAL
  return {
    problem: 'its answer holds no reading of power: it may be a plug without a meter',
    isOfPlug: false,
  }
}
