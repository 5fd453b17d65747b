/**
 * What an engine keeps of prompts that it has read, as vLLM and SGLang do: whole blocks of tokens, each known by all
 * that comes before it, the longest unused dropped first. Nothing of the router's code is in here: it measures the router.
 */
import { CHARACTERS_PER_TOKEN } from './chat-load.ts'

const BLOCK_TOKENS = 16

export class PrefixCache {
  readonly #blocksMax: number
  /** Ids of blocks, longest unused first. */
  readonly #kept = new Set<number>()

  constructor(tokensMax: number) {
    this.#blocksMax = Math.floor(tokensMax / BLOCK_TOKENS)
  }

  /** Tokens at the beginning of `text` that are kept. */
  warmTokens(blocks: readonly number[]): number {
    let count = 0
    while (count < blocks.length && this.#kept.has(blocks[count] as number)) count++
    return count * BLOCK_TOKENS
  }

  /** From now on the text is kept, as far as there is room. */
  keep(blocks: readonly number[]): void {
    // The end first, so that a beginning is never older than what follows it.
    for (let index = blocks.length - 1; index >= 0; index--) {
      const block = blocks[index] as number
      this.#kept.delete(block)
      this.#kept.add(block)
    }
    for (const block of this.#kept) {
      if (this.#kept.size <= this.#blocksMax) break
      this.#kept.delete(block)
    }
  }
}

/** Gives equal beginnings of texts equal ids, block by block. */
export class BlockIds {
  readonly #ids = new Map<string, number>()

  of(text: string): number[] {
    const characters = BLOCK_TOKENS * CHARACTERS_PER_TOKEN
    const blocks: number[] = []
    let parent = 0
    for (let at = 0; at + characters <= text.length; at += characters) {
      const key = `${parent} ${text.slice(at, at + characters)}`
      parent = this.#ids.get(key) ?? this.#ids.size + 1
      this.#ids.set(key, parent)
      blocks.push(parent)
    }
    return blocks
  }
}
