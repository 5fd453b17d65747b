/** What the journal must say of proofs of hardware: nobody is paid who never proved his, by what is written and not by the decider. */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'
import { DOUBTS_MAX } from '#verify/hardware/hardware.ts'

/** Reads a journal entry by entry, in order; throws at the first that breaks a rule. */
export class ProofRules {
  #isRequired = false
  /** Nodes by their devices: whether the newest proof of each held. */
  readonly #devices = new Map<string, Map<string, boolean>>()
  readonly #provenOnce = new Set<string>()
  /** Doubts in a row, by node and device. */
  readonly #doubts = new Map<string, number>()
  /** Proofs that held, doubts, and the most of them in a row. */
  readonly figures = { proofs: 0, doubts: 0, doubtsInRow: 0 }
  readonly #forgers: ReadonlySet<string>

  /** `forgers`: nodes that have not the hardware that they say they have. */
  constructor(forgers: ReadonlySet<string>) {
    this.#forgers = forgers
  }

  read(events: readonly CoordinatorEvent[]): void {
    for (const event of events) this.#note(event)
  }

  #note(event: CoordinatorEvent): void {
    switch (event.type) {
      case 'hardware.policy_set':
        this.#isRequired = event.isRequired
        break
      case 'hardware.devices_claimed': {
        const before = this.#devices.get(event.nodeId)
        const now = event.devices.map(({ deviceId }) => [deviceId, before?.get(deviceId) ?? false] as const)
        this.#devices.set(event.nodeId, new Map(now))
        break
      }
      case 'hardware.proven': {
        assert(!this.#forgers.has(event.nodeId), `${event.nodeId} forges its proofs, and one was believed`)
        this.figures.proofs++
        this.#doubts.delete(`${event.nodeId} ${event.deviceId}`)
        const devices = this.#devices.get(event.nodeId)?.set(event.deviceId, true)
        if (devices && [...devices.values()].every(Boolean)) this.#provenOnce.add(event.nodeId)
        break
      }
      case 'hardware.failed':
        this.#readFailed(event)
        break
      case 'work.granted':
        if (this.#isRequired)
          assert(
            this.#provenOnce.has(event.nodeId),
            `${event.nodeId} was given a task and never proved its hardware`,
          )
        break
      case 'usage.recorded':
        for (const { nodeId } of [...event.record.parts, ...(event.record.losers ?? [])]) {
          if (!this.#isRequired) continue
          assert(this.#provenOnce.has(nodeId), `${nodeId} was paid and never proved its hardware`)
        }
        break
    }
  }

  /** Faults explain that an answer does not come, and not that none ever comes. */
  #readFailed({ nodeId, deviceId, fault, detail }: CoordinatorEvent & { type: 'hardware.failed' }): void {
    if (this.#forgers.has(nodeId)) return
    const key = `${nodeId} ${deviceId}`
    const inRow = (this.#doubts.get(key) ?? 0) + 1
    this.#doubts.set(key, inRow)
    this.figures.doubts++
    this.figures.doubtsInRow = Math.max(this.figures.doubtsInRow, inRow)
    assert(
      !this.#provenOnce.has(nodeId) || inRow < DOUBTS_MAX,
      `${nodeId} has its hardware and is barred for the want of it: ${fault}, ${detail}`,
    )
  }
}
