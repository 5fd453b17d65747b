/** Cuts bytes into lines, as they come. A line ends with a line feed, before which a carriage return is dropped. */
export interface CutLine {
  /** Counted from 1, empty ones included. */
  readonly line: number
  /** `null` when it is longer than it may be. */
  readonly bytes: Uint8Array | null
}

const LF = 10
const CR = 13

export class LineSplitter {
  readonly #bytesMax: number
  #pieces: Uint8Array[] = []
  #bytes = 0
  #line = 1

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The lines that end in `chunk`. Its bytes must not change afterwards. */
  push(chunk: Uint8Array): CutLine[] {
    const lines: CutLine[] = []
    let from = 0
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      this.#add(chunk.subarray(from, at))
      lines.push(this.#cut())
      from = at + 1
    }
    this.#add(chunk.subarray(from))
    return lines
  }

  /** The last line, where the bytes do not end with a line feed. */
  end(): CutLine[] {
    return this.#bytes === 0 ? [] : [this.#cut()]
  }

  #add(piece: Uint8Array): void {
    this.#bytes += piece.length
    // Of what is too long nothing is kept but that it is.
    if (this.#bytes > this.#bytesMax + 1) this.#pieces = []
    else if (piece.length > 0) this.#pieces.push(piece)
  }

  #cut(): CutLine {
    const whole = joined(this.#pieces)
    const isTooLong = this.#bytes > this.#bytesMax + 1
    const bytes = whole.at(-1) === CR ? whole.subarray(0, -1) : whole
    this.#pieces = []
    this.#bytes = 0
    return { line: this.#line++, bytes: isTooLong || bytes.length > this.#bytesMax ? null : bytes }
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces
  if (first && pieces.length === 1) return first
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
