/**
 * How many of a model's slots each organisation has. Whoever has more than an equal part leaves the last few free slots to
 * the others, while there are others: one of them that comes now and then finds a node at once, and waits for nobody.
 */
const SEEN_MS = 30_000
const LOOK_EVERY_MS = 1_000
const LEFT_SHARE = 0.1

interface Part {
  busy: number
  seenMs: number
}

export class OrganisationShares {
  readonly #parts = new Map<string, Part>()
  #active = 0
  #lookedAtMs = Number.NEGATIVE_INFINITY

  /** It sent something. */
  seen(organisationId: string, nowMs: number): void {
    const part = this.#parts.get(organisationId)
    if (part) part.seenMs = nowMs
    else {
      this.#parts.set(organisationId, { busy: 0, seenMs: nowMs })
      this.#active++
    }
  }

  /** It got a slot (1), or gave one back (-1). */
  changed(organisationId: string, by: 1 | -1, nowMs: number): void {
    this.seen(organisationId, nowMs)
    const part = this.#parts.get(organisationId)
    if (part) part.busy += by
  }

  /** Whether it has to leave what is free to others now. */
  mustYield(
    organisationId: string,
    { slots, busy }: { slots: number; busy: number },
    nowMs: number,
  ): boolean {
    if (slots - busy > Math.ceil(slots * LEFT_SHARE)) return false
    const active = this.#activeAt(nowMs)
    return active > 1 && (this.#parts.get(organisationId)?.busy ?? 0) * active > slots
  }

  #activeAt(nowMs: number): number {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return this.#active
    this.#lookedAtMs = nowMs
    for (const [organisationId, { busy, seenMs }] of this.#parts) {
      if (busy === 0 && nowMs - seenMs > SEEN_MS) this.#parts.delete(organisationId)
    }
    this.#active = this.#parts.size
    return this.#active
  }
}
