/** The last step of an answer: takes calls of tools out of its text, and puts to each piece what its tokens are beside text. */
import type { DeltaDetail, TokenLogprob } from '#protocol/delta-detail.ts'
import type { AssembledDelta } from './delta-assembler.ts'
import type { RawLogprobs } from './llama-internals.ts'
import type { TokenPieces } from './token-pieces.ts'
import type { ReadPiece, ToolCallReader } from './tool-call-reader.ts'

export interface AnswerPiece extends AssembledDelta {
  readonly detail?: DeltaDetail
}

export class AnswerPieces {
  readonly #pieces: TokenPieces
  readonly #reader: ToolCallReader | null
  /** Of tokens whose text is not complete yet, oldest first. */
  readonly #logprobs: TokenLogprob[] = []
  readonly #hasLogprobs: boolean

  constructor(parts: { pieces: TokenPieces; reader: ToolCallReader | null; hasLogprobs: boolean }) {
    this.#pieces = parts.pieces
    this.#reader = parts.reader
    this.#hasLogprobs = parts.hasLogprobs
  }

  /** What the model gave the token that comes next to the assembler. */
  addLogprobs(token: number, { chosen, top }: RawLogprobs): void {
    const describe = (id: number, logprob: number) => {
      const bytes = this.#pieces.bytesOf(id)
      return { token: decoder.decode(bytes), bytes: bytes.length === 0 ? null : [...bytes], logprob }
    }
    this.#logprobs.push({
      ...describe(token, chosen),
      top: top.map((one) => describe(one.token, one.logprob)),
    })
  }

  piece(delta: AssembledDelta): AnswerPiece {
    return this.#withDetail(delta, this.#reader?.push(delta.text))
  }

  /** What is left when the answer is over; `last` is what the assembler still held. */
  end(last: AssembledDelta | null): AnswerPiece[] {
    const pieces = last === null ? [] : [this.piece(last)]
    const left = this.#reader?.end()
    if (!left || (left.text === '' && left.toolCalls.length === 0)) return pieces
    return [...pieces, this.#withDetail({ text: left.text, tokenIds: [] }, left)]
  }

  #withDetail({ text, tokenIds }: AssembledDelta, read: ReadPiece | undefined): AnswerPiece {
    const logprobs = this.#hasLogprobs ? this.#logprobs.splice(0, tokenIds.length) : []
    const calls = read?.toolCalls ?? []
    const shown = read ? read.text : text
    if (logprobs.length === 0 && calls.length === 0) return { text: shown, tokenIds }
    const detail = {
      ...(logprobs.length > 0 && { logprobs }),
      ...(calls.length > 0 && { toolCalls: [...calls] }),
    }
    return { text: shown, tokenIds, detail }
  }
}

const decoder = new TextDecoder()
