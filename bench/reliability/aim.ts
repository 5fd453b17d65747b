/** Waits until an agent is in the middle of an answer: that is when it should fail. */
import type { Direction } from '../../test/chaos/chaos-proxy.ts'

export interface Aim {
  /** For `startChaosFleet`. */
  readonly onPiece: (index: number, direction: Direction, piece: Buffer) => void
  /** Resolves as the next piece of an answer of this agent passes, with true, or after `AIM_MS_MAX`, with false. */
  next(index: number): Promise<boolean>
}

/** No heartbeat is as long: who sends such a piece is answering. */
const ANSWER_BYTES_MIN = 100
const AIM_MS_MAX = 5_000

export function newAim(): Aim {
  let aimed: { readonly index: number; readonly hit: () => void } | null = null
  return {
    onPiece(index, direction, { length }) {
      if (aimed?.index !== index || direction === 'down' || length < ANSWER_BYTES_MIN) return
      const { hit } = aimed
      aimed = null
      hit()
    },
    next: (index) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), AIM_MS_MAX)
        aimed = {
          index,
          hit() {
            clearTimeout(timer)
            resolve(true)
          },
        }
      }),
  }
}
