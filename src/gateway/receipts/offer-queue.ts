import type { Clock } from '#host/host.ts'
import { RECEIPTS_PER_HEAD_MAX } from '#protocol/receipts.ts'
import type { NodeChain } from './node-chain.ts'

const TICK_MS = 250
/** A signature costs as much as some requests: beyond so many nodes at once, a head covers more receipts. */
const HEADS_PER_TICK = 16

/** Which chains have receipts to be signed; each in its turn, and not oftener than each 250 ms or 256 receipts. */
export class OfferQueue {
  readonly #clock: Clock
  readonly #offer: (chain: NodeChain) => boolean
  readonly #due = new Set<NodeChain>()
  #isTicking = false
  #isClosed = false

  /** `offer` is false while its node is shown nothing more. */
  constructor(clock: Clock, offer: (chain: NodeChain) => boolean) {
    this.#clock = clock
    this.#offer = offer
  }

  add(chain: NodeChain): void {
    if (chain.ready >= RECEIPTS_PER_HEAD_MAX) this.#offer(chain)
    this.#due.add(chain)
    this.#tickSoon()
  }

  drop(chain: NodeChain): void {
    this.#due.delete(chain)
  }

  close(): void {
    this.#isClosed = true
  }

  #tickSoon(): void {
    if (this.#isTicking || this.#isClosed || this.#due.size === 0) return
    this.#isTicking = true
    this.#clock.after(TICK_MS, () => this.#tick())
  }

  #tick(): void {
    this.#isTicking = false
    if (this.#isClosed) return
    for (const chain of [...this.#due].slice(0, HEADS_PER_TICK)) {
      this.#due.delete(chain)
      const isDone = this.#offer(chain)
      // Behind the others.
      if (!isDone || chain.ready > 0) this.#due.add(chain)
    }
    this.#tickSoon()
  }
}
