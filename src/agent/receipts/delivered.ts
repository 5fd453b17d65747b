/** What this node did, as it knows it itself: what a gateway claims of it is held against that. */
import type { ReceiptBody, ReceiptDispute } from '#protocol/receipts.ts'
import { type Digest, filesDigest, outputDigest } from '#receipts/receipt-text.ts'

/** One request of one connection. */
export interface StreamNote {
  readonly input: string
  readonly salt: string
  text: string
  promptTokens: number
  /** Tokens that were sent. */
  sentTokens: number
  /** As the engine told them with the end; null while there was no end, or none came. */
  endTokens: number | null
  /** The gateway stopped it: what was on its way by then may not have counted. */
  isCut: boolean
}
export interface TaskNote {
  readonly output: string
  readonly files: number
  readonly bytes: number
}

/** Requests and results that no receipt came for yet. */
const NOTES_MAX = 4_096

/** Of one connection. */
export class Delivered {
  readonly session: number
  /** The connection broke: what the gateway took of what was on its way, nobody knows. */
  isOver = false
  /** Whose receipts are about its requests; null until the first of them came. */
  chain: string | null = null
  readonly #digest: Digest
  readonly #streams = new Map<number, StreamNote>()
  readonly #tasks = new Map<number, TaskNote>()

  constructor(session: number, digest: Digest) {
    this.session = session
    this.#digest = digest
  }

  begin(stream: number, payload: Uint8Array, salt: string): StreamNote {
    const note: StreamNote = {
      ...{ input: this.#digest(payload), salt, text: '', promptTokens: 0, sentTokens: 0 },
      ...{ endTokens: null, isCut: false },
    }
    this.#streams.set(stream, note)
    dropOldest(this.#streams)
    return note
  }

  /** The gateway stopped it. */
  cut(stream: number): void {
    const note = this.#streams.get(stream)
    if (note) note.isCut = true
  }

  made(
    fence: number,
    outputs: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[],
  ): void {
    const bytes = outputs.reduce((sum, file) => sum + file.bytes, 0)
    this.#tasks.set(fence, { output: filesDigest(this.#digest, outputs), files: outputs.length, bytes })
    dropOldest(this.#tasks)
  }

  /** Those of a connection before, whose results are delivered on this one. */
  takeTasksOf(before: Delivered): void {
    for (const [fence, note] of before.#tasks) this.#tasks.set(fence, note)
  }

  /** Whether a receipt may be of this connection: one of another with the number of its session is of other requests. */
  mayBeOf(body: ReceiptBody): boolean {
    if (body.kind === 'task') return true
    const note = this.#streams.get(body.stream)
    return note === undefined || note.input === body.input
  }

  /** What is wrong with a receipt; null when it is as this node knows it. */
  disputeOf(number: number, body: ReceiptBody): ReceiptDispute | null {
    if (body.kind === 'task') return this.#disputeOfTask(number, body)
    const note = this.#streams.get(body.stream)
    if (!note) return { number, why: 'unknown' }
    const { sentTokens, endTokens } = note
    if (body.input !== note.input) return { number, why: 'input' }
    const isWhole = body.kind === 'part' && endTokens !== null && !note.isCut && !this.isOver
    if (isWhole ? body.promptTokens !== note.promptTokens : body.promptTokens > note.promptTokens)
      return { number, why: 'prompt_tokens', expected: note.promptTokens }
    // What the gateway stopped may have been on its way.
    const expected = isWhole ? Math.min(sentTokens, endTokens) : sentTokens
    if (isWhole ? body.completionTokens !== expected : body.completionTokens > expected)
      return { number, why: 'completion_tokens', expected }
    return this.#isOutput(body, note) ? null : { number, why: 'output' }
  }

  #isOutput({ output, outputBytes }: Extract<ReceiptBody, { stream: number }>, note: StreamNote): boolean {
    const whole = Buffer.from(note.text)
    if (outputBytes > whole.length) return false
    const text = outputBytes === whole.length ? note.text : whole.subarray(0, outputBytes).toString()
    return outputDigest(this.#digest, note.salt, text) === output
  }

  #disputeOfTask(number: number, body: Extract<ReceiptBody, { kind: 'task' }>): ReceiptDispute | null {
    const note = this.#tasks.get(body.fence)
    if (!note) return { number, why: 'unknown' }
    const isSame = body.output === note.output && body.files === note.files && body.outputBytes === note.bytes
    return isSame ? null : { number, why: 'task' }
  }

  /** It is signed for. */
  forget(body: ReceiptBody): void {
    if (body.kind === 'task') this.#tasks.delete(body.fence)
    else this.#streams.delete(body.stream)
  }
}

function dropOldest(notes: Map<number, unknown>): void {
  if (notes.size <= NOTES_MAX) return
  const oldest = notes.keys().next()
  if (!oldest.done) notes.delete(oldest.value)
}
