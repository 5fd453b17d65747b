/** The lines of an input file in order, read ahead a little: what asks for the next one never waits for the disk. */
import { type CutLine, LineSplitter } from '#batch/line-splitter.ts'
import { type BlobReader, chunksOf } from '#host/blob-store.ts'

const AHEAD_LINES_MAX = 256
const AHEAD_BYTES_MAX = 8 * 1024 * 1024

export class LineSource {
  readonly #chunks: AsyncGenerator<Uint8Array>
  readonly #splitter: LineSplitter
  readonly #onMore: () => void
  readonly #onFailed: (error: unknown) => void
  #ahead: CutLine[] = []
  #aheadBytes = 0
  #isReading = false
  #isRead = false

  /** `onMore` is told when there are lines again, or no more; `onFailed` that the file cannot be read. */
  constructor(
    reader: BlobReader,
    lineBytesMax: number,
    told: { onMore: () => void; onFailed: (error: unknown) => void },
  ) {
    this.#chunks = chunksOf(reader)
    this.#splitter = new LineSplitter(lineBytesMax)
    this.#onMore = told.onMore
    this.#onFailed = told.onFailed
  }

  get isOver(): boolean {
    return this.#isRead && this.#ahead.length === 0
  }

  /** Where not, `onMore` says when it is worth looking again. */
  get hasLine(): boolean {
    if (this.#ahead.length === 0) this.#readOn()
    return this.#ahead.length > 0
  }

  /** `null` where none is at hand: `onMore` says when one may be. */
  next(): CutLine | null {
    const line = this.#ahead.shift() ?? null
    this.#aheadBytes -= line?.bytes?.length ?? 0
    if (!this.#isRead && this.#ahead.length < AHEAD_LINES_MAX / 2) this.#readOn()
    return line
  }

  async close(): Promise<void> {
    this.#isRead = true
    this.#ahead = []
    await this.#chunks.return(undefined)
  }

  #readOn(): void {
    if (this.#isReading || this.#isRead) return
    this.#isReading = true
    this.#fill().then(
      () => {
        this.#isReading = false
        this.#onMore()
      },
      (error: unknown) => this.#onFailed(error),
    )
  }

  async #fill(): Promise<void> {
    while (!this.#isRead && this.#ahead.length < AHEAD_LINES_MAX && this.#aheadBytes < AHEAD_BYTES_MAX) {
      const { value, done } = await this.#chunks.next()
      const lines = done ? this.#splitter.end() : this.#splitter.push(value)
      if (done) this.#isRead = true
      for (const line of lines) {
        this.#ahead.push(line)
        this.#aheadBytes += line.bytes?.length ?? 0
      }
    }
  }
}
