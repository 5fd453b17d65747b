import { Problem } from '#protocol/problem.ts'

const EVENT_LENGTH_MAX = 1 << 20

/**
 * Server-sent events as the WHATWG standard reads them, from chunks cut anywhere: lines end in LF, CR or CRLF,
 * comments and unknown fields are skipped, several `data` lines are one event. Only the data is told: names and ids
 * play no part in this protocol. Throws `Problem('engine_failed')` for an event of more than a million characters.
 */
export class SseParser {
  readonly #onData: (data: string) => void
  readonly #decoder = new TextDecoder()
  #line = ''
  #data: string[] = []
  #dataLength = 0
  #skipsLineFeed = false

  constructor(onData: (data: string) => void) {
    this.#onData = onData
  }

  push(bytes: Uint8Array): void {
    this.#take(this.#decoder.decode(bytes, { stream: true }))
  }

  /** The stream is over. A last event without its empty line counts: some servers never send it after `[DONE]`. */
  end(): void {
    this.#take(this.#decoder.decode())
    if (this.#line !== '') this.#endLine()
    this.#endEvent()
  }

  #take(text: string): void {
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code !== 10 && code !== 13) {
        this.#skipsLineFeed = false
        continue
      }
      if (code === 10 && this.#skipsLineFeed) {
        this.#skipsLineFeed = false
        start = at + 1
        continue
      }
      this.#line += text.slice(start, at)
      start = at + 1
      // A CR ends the line at once; the LF that may follow, even in the next chunk, belongs to it.
      this.#skipsLineFeed = code === 13
      this.#endLine()
    }
    this.#line += text.slice(start)
    this.#checkLength(this.#line.length)
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (line === '') return this.#endEvent()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    if (field !== 'data') return
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    this.#dataLength += value.length
    this.#checkLength(this.#dataLength)
    this.#data.push(value)
  }

  #endEvent(): void {
    if (this.#data.length === 0) return
    const data = this.#data.join('\n')
    this.#data = []
    this.#dataLength = 0
    this.#onData(data)
  }

  #checkLength(length: number): void {
    if (length <= EVENT_LENGTH_MAX) return
    throw new Problem(
      'engine_failed',
      `The upstream sent an event longer than ${EVENT_LENGTH_MAX} characters.`,
    )
  }
}
