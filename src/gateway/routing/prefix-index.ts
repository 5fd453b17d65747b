/**
 * Which nodes have read which beginnings of prompts, as far as their caches go: for each cut the nodes that served it,
 * and for each node the cuts that it served, the longest unused of which it is taken to have dropped.
 */
import type { PrefixCuts } from './prefix-cuts.ts'

/** What one node is taken to have in its cache. A map keeps the order in which it was used. */
export class PrefixMemory {
  readonly cuts = new Map<number, number>()
  tokensMax: number
  tokens = 0

  constructor(tokensMax: number) {
    this.tokensMax = tokensMax
  }
}

export interface HasMemory {
  readonly memory: PrefixMemory
}

/** Of all nodes of a model together; each is left at least a little. */
const CUTS_MAX = 262_144
const CUTS_OF_ONE_MAX = 4_096
const CUTS_OF_ONE_MIN = 256

export class PrefixIndex<T extends HasMemory> {
  readonly #holders = new Map<number, T[]>()
  #cutsOfOneMax = CUTS_OF_ONE_MAX

  /** How many nodes share the memory that all of them together get. */
  sizeFor(nodes: number): void {
    this.#cutsOfOneMax = Math.min(
      CUTS_OF_ONE_MAX,
      Math.max(CUTS_OF_ONE_MIN, Math.floor(CUTS_MAX / Math.max(1, nodes))),
    )
  }

  /** The longest beginning that some node has warm: who, and how many tokens of it; null where nobody has any. */
  longest({ hashes, tokens }: PrefixCuts): { holders: readonly T[]; tokens: number; depth: number } | null {
    for (let index = hashes.length - 1; index >= 0; index--) {
      const holders = this.#holders.get(hashes[index] as number)
      if (holders && holders.length > 0) return { holders, tokens: tokens[index] as number, depth: index }
    }
    return null
  }

  /** Tokens of the longest beginning that `one` has warm. */
  warmTokens(one: T, { hashes, tokens }: PrefixCuts): number {
    const { cuts } = one.memory
    if (cuts.size === 0) return 0
    for (let index = hashes.length - 1; index >= 0; index--) {
      if (cuts.has(hashes[index] as number)) return tokens[index] as number
    }
    return 0
  }

  /** `one` has read this, and has it warm from now on. */
  serve(one: T, prompt: PrefixCuts): void {
    const { memory } = one
    // Longest first, so that a shared beginning is younger than what follows it, and is dropped after it.
    prompt.forKept((hash, tokens) => {
      const known = memory.cuts.get(hash)
      if (known === undefined) {
        const holders = this.#holders.get(hash)
        if (holders) holders.push(one)
        else this.#holders.set(hash, [one])
        memory.tokens += tokens
      } else {
        memory.cuts.delete(hash)
      }
      memory.cuts.set(hash, known ?? tokens)
    })
    for (const [hash, tokens] of memory.cuts) {
      if (memory.tokens <= memory.tokensMax && memory.cuts.size <= this.#cutsOfOneMax) break
      this.#drop(one, hash, tokens)
    }
  }

  /** `one` is gone, and its cache with it. */
  forget(one: T): void {
    for (const [hash, tokens] of one.memory.cuts) this.#drop(one, hash, tokens)
  }

  #drop(one: T, hash: number, tokens: number): void {
    one.memory.cuts.delete(hash)
    one.memory.tokens -= tokens
    const holders = this.#holders.get(hash)
    const at = holders?.indexOf(one) ?? -1
    if (!holders || at === -1) return
    const last = holders.pop() as T
    if (last !== one) holders[at] = last
    if (holders.length === 0) this.#holders.delete(hash)
  }
}
