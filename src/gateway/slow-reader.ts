/**
 * A caller that reads more slowly than its answer comes. What is under way to it when it falls behind is kept as text,
 * not as the events that it will be, which are fifty times as long; it leaves as one event once there is room.
 */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import type { Brake } from './openai-shapes.ts'
import type { ReplyWriter } from './reply-choices.ts'

interface HeldPiece {
  readonly choice: number
  text: string
  readonly detail: DeltaDetail | undefined
}

export class SlowReader {
  /** For the writer: it says when its caller is slow, and when it has caught up. */
  readonly brake: Brake
  readonly #held: HeldPiece[] = []
  #isSlow = false
  #writer: ReplyWriter | null = null

  /** `engine` stops and goes on with the caller. */
  constructor(engine: Brake) {
    this.brake = {
      pause: () => {
        this.#isSlow = true
        engine.pause()
      },
      resume: () => {
        this.#isSlow = false
        this.#flush()
        if (!this.#isSlow) engine.resume()
      },
    }
  }

  /** What `writer` writes, held back while its caller is slow. */
  hold(writer: ReplyWriter): ReplyWriter {
    this.#writer = writer
    return {
      node: (nodeId) => writer.node(nodeId),
      embedding: (vectors) => writer.embedding(vectors),
      cut: () => writer.cut(),
      piece: (choice, text, detail) => {
        if (this.#isSlow) this.#keep(choice, text, detail)
        else writer.piece(choice, text, detail)
      },
      choiceEnd: (choice, finishReason, total) => {
        this.#flush()
        writer.choiceEnd(choice, finishReason, total)
      },
      problem: (problem) => {
        this.#flush()
        writer.problem(problem)
      },
    }
  }

  #keep(choice: number, text: string, detail: DeltaDetail | undefined): void {
    const last = this.#held.at(-1)
    if (last && last.choice === choice && !last.detail && !detail) last.text += text
    else this.#held.push({ choice, text, detail })
  }

  #flush(): void {
    for (const { choice, text, detail } of this.#held.splice(0)) this.#writer?.piece(choice, text, detail)
  }
}
