/**
 * Where a prompt can be cut so that another may begin alike: at the end of each message and every so many characters, by
 * a hash of everything before. A conversation's next prompt begins with this one and its answer, so it has the same
 * cuts, and the node that has them warm can be found without keeping any text.
 */
import type { EngineRequest } from '#protocol/engine-request.ts'

const BLOCK_CHARACTERS = 512
/** Beyond so many characters only every eighth is read: what differs differs in more than that. */
const WHOLE_CHARACTERS = 16_384
const STRIDE = 8
/** As models of English text have it; only ratios matter. */
const CHARACTERS_PER_TOKEN = 4
/** So many cuts of one prompt are remembered: its first ones, which others share, and its last. */
const KEPT_FIRST = 4
const KEPT_LAST = 12

export class PrefixCuts {
  readonly hashes: number[] = []
  /** Tokens before each cut, estimated. */
  readonly tokens: number[] = []
  #state = 0x811c9dc5
  #characters = 0
  #nextBlock = BLOCK_CHARACTERS

  /** Of the whole text so far. */
  get tokensTotal(): number {
    return Math.ceil(this.#characters / CHARACTERS_PER_TOKEN)
  }

  /** More text behind what there is; in how many pieces it comes makes no difference. */
  add(text: string): void {
    const start = this.#characters
    const end = start + text.length
    let state = this.#state
    let at = start
    while (at < end) {
      while (at >= this.#nextBlock) {
        this.#cut(state, this.#nextBlock)
        this.#nextBlock += BLOCK_CHARACTERS
      }
      if (at < WHOLE_CHARACTERS || at % STRIDE === 0) {
        state = Math.imul(state ^ text.charCodeAt(at - start), 0x01000193)
      }
      at += at < WHOLE_CHARACTERS ? 1 : STRIDE - (at % STRIDE)
    }
    this.#state = state
    this.#characters = end
  }

  /** Here one message ends and another may begin. `mark` tells apart what the text alone does not: whose it is. */
  end(mark: string): void {
    this.#state = Math.imul(this.#state ^ mark.charCodeAt(0), 0x01000193)
    this.#cut(this.#state, this.#characters)
  }

  #cut(state: number, characters: number): void {
    this.hashes.push(finished(state))
    this.tokens.push(Math.ceil(characters / CHARACTERS_PER_TOKEN))
  }

  /** Calls `keep` for the cuts that are worth remembering, longest first, with the tokens since the one before. */
  forKept(keep: (hash: number, tokens: number) => void): void {
    const { hashes, tokens } = this
    const lastFrom = Math.max(KEPT_FIRST, hashes.length - KEPT_LAST)
    for (let index = hashes.length - 1; index >= 0; index--) {
      if (index >= KEPT_FIRST && index < lastFrom) continue
      const before = index === lastFrom ? KEPT_FIRST - 1 : index - 1
      keep(hashes[index] as number, (tokens[index] as number) - (tokens[before] ?? 0))
    }
  }
}

/** All bits of the hash depend on all of its input. */
function finished(state: number): number {
  let hash = state ^ (state >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export function cutsOf(request: EngineRequest): PrefixCuts {
  const cuts = new PrefixCuts()
  if (request.kind === 'embedding') return cuts
  if (request.kind === 'completion') {
    cuts.add(request.prompt)
    cuts.end('p')
    return cuts
  }
  // The template puts the tools in front of everything.
  for (const { name } of request.tools?.list ?? []) cuts.add(name)
  for (const { role, content, toolCalls } of request.messages) {
    cuts.add(content)
    for (const call of toolCalls ?? []) cuts.add(call.name + call.arguments)
    cuts.end(role === 'tool' ? 'o' : role)
  }
  return cuts
}

/** The mark behind an answer: a chat's next prompt has it as a message of the assistant. */
export const answerMark = (kind: EngineRequest['kind']): string => (kind === 'chat' ? 'assistant' : 'p')
