/**
 * The sequences of the context, one per request at a time. A finished request leaves its state behind, so that the next
 * turn of the same conversation evaluates only what is new.
 */
import type { LlamaContext, LlamaContextSequence, Token } from 'node-llama-cpp'
import { assert } from '#kernel/assert.ts'

export interface Slot {
  sequence: LlamaContextSequence
  isBusy: boolean
  /** Turn of its last use; the least is the coldest. */
  lastUse: number
}

export class Slots {
  readonly #context: LlamaContext
  readonly #slots: readonly Slot[]
  #uses = 0

  constructor(context: LlamaContext, count: number) {
    this.#context = context
    this.#slots = Array.from({ length: count }, () => ({
      sequence: context.getSequence(),
      isBusy: false,
      lastUse: 0,
    }))
  }

  get hasFree(): boolean {
    return this.#slots.some((slot) => !slot.isBusy)
  }

  /** Takes the free slot that already holds at least a quarter of `prompt`, else the one unused for longest. */
  take(prompt: readonly Token[]): Slot {
    const free = this.#slots.filter((slot) => !slot.isBusy)
    assert(free.length > 0, 'a slot is taken only when one is free')
    // All prompts of a model begin alike: a few common tokens are no reason to overwrite somebody's conversation.
    const usefulTokens = Math.max(8, prompt.length / 4)
    const [best] = free
      .map((slot) => ({ slot, common: commonTokens(slot.sequence, prompt) }))
      .map(({ slot, common }) => ({ slot, common: common >= usefulTokens ? common : 0 }))
      .sort((a, b) => b.common - a.common || a.slot.lastUse - b.slot.lastUse)
    assert(best !== undefined, 'there is a best of one or more')
    best.slot.isBusy = true
    best.slot.lastUse = ++this.#uses
    return best.slot
  }

  giveBack(slot: Slot): void {
    slot.isBusy = false
  }

  /** After a failed evaluation nobody knows what the sequence holds. */
  async renew(slot: Slot): Promise<void> {
    await slot.sequence.dispose()
    slot.sequence = this.#context.getSequence()
    slot.lastUse = 0
  }
}

/** How many tokens at the beginning of `prompt` the sequence has evaluated already. */
export function commonTokens(sequence: LlamaContextSequence, prompt: readonly Token[]): number {
  return Math.min(sequence.compareContextTokens(prompt as Token[]).firstDifferentIndex, prompt.length)
}
