/**
 * Turns generated tokens into deltas. A delta is a whole number of tokens and exactly the text that they add: a token
 * that ends inside a character waits for the rest of it, and text that may be the beginning of a stop text waits until
 * it is known not to be. So the deltas so far always spell the ids so far; only a stop text cuts inside a token.
 */

export interface AssembledDelta {
  readonly text: string
  readonly tokenIds: readonly number[]
}

export interface AssemblerOptions {
  readonly bytesOf: (token: number) => Uint8Array
  readonly stops: readonly string[]
  /** Leaves out one space at the very beginning. */
  readonly trimsLeadingSpace: boolean
}

interface Group {
  readonly text: string
  readonly tokenIds: readonly number[]
}

/** Whether these tokens hold a stop text: whoever generated them ended there, though the end may not have been heard. */
export function hasStopped(tokens: readonly number[], options: AssemblerOptions): boolean {
  if (options.stops.length === 0) return false
  const assembler = new DeltaAssembler(options)
  return tokens.some((token) => assembler.push(token).isStopped)
}

export class DeltaAssembler {
  readonly #options: AssemblerOptions
  readonly #stops: readonly string[]
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #isFirst = true
  /** Tokens whose last character is not complete yet. */
  #tokenIds: number[] = []
  #bytes: Uint8Array[] = []
  /** Complete text that may begin a stop text. */
  #held: Group[] = []
  #heldText = ''

  constructor(options: AssemblerOptions) {
    this.#options = options
    this.#stops = options.stops.filter((stop) => stop !== '')
  }

  /** Takes the next token. After `isStopped` there is nothing more to say: the delta already ends before the stop text. */
  push(token: number): { delta: AssembledDelta | null; isStopped: boolean } {
    this.#tokenIds.push(token)
    const bytes = this.#options.bytesOf(token)
    if (bytes.length > 0) this.#bytes.push(this.#isFirst ? this.#trimmed(bytes) : bytes)
    this.#isFirst &&= bytes.length === 0
    if (endsInsideCharacter(this.#bytes)) return { delta: null, isStopped: false }
    this.#closeGroup()
    const stopAt = this.#findStop()
    if (stopAt !== null) return { delta: this.#releaseAll(stopAt), isStopped: true }
    return { delta: this.#releaseSafe(), isStopped: false }
  }

  /** What was still held back, an incomplete character as U+FFFD. */
  flush(): AssembledDelta | null {
    if (this.#tokenIds.length > 0) this.#closeGroup()
    // A token that waited for the rest of a character may have completed a stop text.
    return this.#held.length === 0 ? null : this.#releaseAll(this.#findStop() ?? this.#heldText.length)
  }

  #trimmed(bytes: Uint8Array): Uint8Array {
    return this.#options.trimsLeadingSpace && bytes[0] === 0x20 ? bytes.subarray(1) : bytes
  }

  #closeGroup(): void {
    const [only] = this.#bytes
    const bytes = this.#bytes.length === 1 && only !== undefined ? only : concat(this.#bytes)
    const text = this.#decoder.decode(bytes)
    this.#held.push({ text, tokenIds: this.#tokenIds })
    this.#heldText += text
    this.#tokenIds = []
    this.#bytes = []
  }

  #findStop(): number | null {
    let first: number | null = null
    for (const stop of this.#stops) {
      const at = this.#heldText.indexOf(stop)
      if (at >= 0 && (first === null || at < first)) first = at
    }
    return first
  }

  #releaseAll(length: number): AssembledDelta {
    const delta = {
      text: this.#heldText.slice(0, length),
      tokenIds: this.#held.flatMap((group) => group.tokenIds),
    }
    this.#held = []
    this.#heldText = ''
    return delta
  }

  #releaseSafe(): AssembledDelta | null {
    const safeLength = this.#heldText.length - lengthOfPossibleStop(this.#heldText, this.#stops)
    let length = 0
    let count = 0
    for (const group of this.#held) {
      if (length + group.text.length > safeLength) break
      length += group.text.length
      count++
    }
    if (count === 0) return null
    const released = this.#held.splice(0, count)
    const text = this.#heldText.slice(0, length)
    this.#heldText = this.#heldText.slice(length)
    return { text, tokenIds: released.flatMap((group) => group.tokenIds) }
  }
}

/** The length of the longest end of `text` with which a stop text could begin. */
function lengthOfPossibleStop(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}

/** Whether more bytes could turn the end of `chunks` into one UTF-8 character. */
function endsInsideCharacter(chunks: readonly Uint8Array[]): boolean {
  let seen = 0
  for (let chunk = chunks.length - 1; chunk >= 0; chunk--) {
    const bytes = chunks[chunk] ?? new Uint8Array(0)
    for (let at = bytes.length - 1; at >= 0; at--) {
      const byte = bytes[at] ?? 0
      seen++
      if (byte < 0x80) return false
      if (byte >= 0xc0) return seen < (byte >= 0xf5 ? 0 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2)
      if (seen === 3) return false
    }
  }
  return false
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    joined.set(chunk, offset)
    offset += chunk.length
  }
  return joined
}
