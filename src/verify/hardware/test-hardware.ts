/** For tests: a state of proofs that is changed by commands alone, and checked after each. */
import { decideHardware, type HardwareCommand, type HardwareRefusal } from './decide-hardware.ts'
import { evolveHardware } from './evolve-hardware.ts'
import { checkHardware, emptyHardware, type Hardware } from './hardware.ts'
import { HardwareEvent } from './hardware-events.ts'

export interface TestHardware {
  readonly state: Hardware
  /** Refused, or the types of the events, each of which the journal could keep. */
  run(command: HardwareCommand): HardwareRefusal | string[]
}

export function openHardware(): TestHardware {
  const state = emptyHardware()
  return {
    state,
    run(command) {
      const decision = decideHardware(state, command)
      if (!Array.isArray(decision)) return decision
      for (const event of decision) evolveHardware(state, HardwareEvent.parse(event))
      checkHardware(state)
      return decision.map(({ type }) => type.replace('hardware.', ''))
    },
  }
}
