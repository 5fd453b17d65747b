/** Waits until an agent is in the middle of an answer: that is when it should fail. */
import type { Direction } from '../../test/chaos/chaos-proxy.ts'

export interface Aim {
  /** For `startChaosFleet`. */
  readonly onPiece: (index: number, direction: Direction, piece: Buffer) => void
  /** Resolves as the next pieces of an answer of this agent pass, with true, or after `AIM_MS_MAX`, with false. */
  next(index: number): Promise<boolean>
}

/** No heartbeat is as long: who sends such a piece is answering. */
const ANSWER_BYTES_MIN = 100
const AIM_MS_MAX = 5_000
const ROW_MS_MAX = 500

/**
 * `row`: so many pieces of any length within half a second, which nothing but an answer sends: then it is in the middle of a long one. A
 * single long piece can be its last, or a receipt.
 */
export function newAim({ row = 1, nowMs = () => performance.now() } = {}): Aim {
  const bytesMin = row === 1 ? ANSWER_BYTES_MIN : 0
  let aimed: { readonly index: number; readonly passedMs: number[]; readonly hit: () => void } | null = null
  return {
    onPiece(index, direction, { length }) {
      if (aimed?.index !== index || direction === 'down' || length < bytesMin) return
      const { hit, passedMs } = aimed
      passedMs.push(nowMs())
      const first = passedMs.at(-row)
      if (first === undefined || nowMs() - first > ROW_MS_MAX) return
      aimed = null
      hit()
    },
    next: (index) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), AIM_MS_MAX)
        aimed = {
          index,
          passedMs: [],
          hit() {
            clearTimeout(timer)
            resolve(true)
          },
        }
      }),
  }
}
