import type { ProofSize, ProvableDevice } from '#protocol/hardware-proof.ts'
import { PROCESSOR } from './class-times.ts'

/** How much a device is asked for. */
export type SizeOf = (device: ProvableDevice) => ProofSize

/** Some tenths of a second of one thread. */
const PROCESSOR_SIZE: ProofSize = { rows: 1_024, width: 256, rounds: 3 }
const CARD_WIDTH = 1_024
const CARD_ROUNDS = 3
const CARD_ROWS_MIN = 2 ** 12
const CARD_ROWS_MAX = 2 ** 22
/** Of a card's memory that all rounds together fill at most: models are loaded beside it. */
const CARD_PART = 0.25
const MIB = 1024 * 1024
/** Of its matrices, and of the hashes above them. */
const CARD_ROW_BYTES = CARD_WIDTH * (CARD_ROUNDS + 1) + 64 * CARD_ROUNDS
/** Of what did not fit, what is asked for next. */
const PART = 1 / 4

/** Sized to the memory that a card says it has: who keeps less than all rows computes them again, and is late. */
export const sizeOf: SizeOf = ({ kind, memoryMib }) => {
  if (kind === 'cpu') return PROCESSOR_SIZE
  const fitting = (memoryMib * MIB * CARD_PART) / CARD_ROW_BYTES
  const rows = 2 ** Math.floor(Math.log2(Math.max(1, fitting)))
  return {
    rows: Math.min(CARD_ROWS_MAX, Math.max(CARD_ROWS_MIN, rows)),
    width: CARD_WIDTH,
    rounds: CARD_ROUNDS,
  }
}

/** What to ask a card for that has not as much memory free; null when it could not be less. */
export function partOf({ rows, width, rounds }: ProofSize): ProofSize | null {
  return rows <= CARD_ROWS_MIN ? null : { rows: Math.max(CARD_ROWS_MIN, rows * PART), width, rounds }
}

/** Devices of which the same is expected: cards of one make and size, computing in one way. */
export const classOf = ({ kind, name, memoryMib }: ProvableDevice): string =>
  kind === 'cpu' ? PROCESSOR : `${kind} ${name} ${memoryMib} MiB`
