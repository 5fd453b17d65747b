/**
 * Takes the calls of tools out of an answer's text while it comes: text before and behind them stays text. Arguments are
 * told as they come, once the name is known. What begins like a call and is none stays text too, for nothing is lost.
 */
import { TOOL_CALLS_MAX, type ToolCallDelta } from '#protocol/delta-detail.ts'
import { CALL_BEGIN, CALL_END } from './tool-format.ts'

export interface ReadPiece {
  readonly text: string
  readonly toolCalls: readonly ToolCallDelta[]
}

/** The usual beginning of a call, up to where its arguments' object begins. */
const HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/
/** A beginning that is longer than this is no call. */
const HEAD_LENGTH_MAX = 64 * 1024

export class ToolCallReader {
  readonly #names: ReadonlySet<string>
  readonly #countMax: number
  #state: 'text' | 'head' | 'arguments' | 'tail' = 'text'
  #buffer = ''
  #count = 0
  /** Of the arguments that come: open brackets, and whether a string is open and its next character escaped. */
  #depth = 0
  #isInString = false
  #isEscaped = false
  #text = ''
  #calls: ToolCallDelta[] = []

  /** `names` are those of the tools; a call of another is text, and so is one behind the last that may come. */
  constructor(names: Iterable<string>, countMax = TOOL_CALLS_MAX) {
    this.#names = new Set(names)
    this.#countMax = countMax
  }

  /** Calls begun so far. */
  get count(): number {
    return this.#count
  }

  push(text: string): ReadPiece {
    this.#buffer += text
    while (this.#step());
    return this.#take()
  }

  /** The answer is over: what was held back. */
  end(): ReadPiece {
    if (this.#state === 'head' && !this.#readWhole(this.#buffer)) this.#text += CALL_BEGIN + this.#buffer
    else if (this.#state === 'text') this.#text += this.#buffer
    this.#buffer = ''
    return this.#take()
  }

  #take(): ReadPiece {
    const piece = { text: this.#text, toolCalls: this.#calls }
    this.#text = ''
    this.#calls = []
    return piece
  }

  /** True when there may be more to do with what is in the buffer. */
  #step(): boolean {
    if (this.#state === 'text') return this.#stepText()
    if (this.#state === 'head') return this.#stepHead()
    if (this.#state === 'arguments') return this.#stepArguments()
    return this.#stepTail()
  }

  #stepText(): boolean {
    // Between calls and behind them the model breaks lines: that is no answer.
    if (this.#count > 0) this.#buffer = this.#buffer.trimStart()
    const at = this.#buffer.indexOf(CALL_BEGIN)
    if (at < 0 || this.#count >= this.#countMax) {
      const held = this.#count >= this.#countMax ? 0 : beginOfMark(this.#buffer)
      this.#text += this.#buffer.slice(0, this.#buffer.length - held)
      this.#buffer = this.#buffer.slice(this.#buffer.length - held)
      return false
    }
    this.#text += this.#buffer.slice(0, at)
    this.#buffer = this.#buffer.slice(at + CALL_BEGIN.length)
    this.#state = 'head'
    return true
  }

  #stepHead(): boolean {
    const head = HEAD.exec(this.#buffer)
    if (head) {
      const name: unknown = parseOrNull(head[1] ?? '')
      if (typeof name !== 'string' || !this.#names.has(name)) return this.#giveUp()
      this.#calls.push({ index: this.#count++, name, arguments: '' })
      this.#buffer = this.#buffer.slice(head[0].length)
      this.#state = 'arguments'
      return true
    }
    const end = this.#buffer.indexOf(CALL_END)
    if (end < 0) return this.#buffer.length > HEAD_LENGTH_MAX ? this.#giveUp() : false
    if (!this.#readWhole(this.#buffer.slice(0, end))) return this.#giveUp()
    this.#buffer = this.#buffer.slice(end + CALL_END.length)
    this.#state = 'text'
    return true
  }

  #giveUp(): boolean {
    this.#text += CALL_BEGIN
    this.#state = 'text'
    return true
  }

  /** A call that is not written as usual: members in another order, no arguments, or arguments as a string. */
  #readWhole(json: string): boolean {
    const call = parseOrNull(json)
    if (typeof call !== 'object' || call === null) return false
    const { name, arguments: given, parameters } = call as Record<string, unknown>
    if (typeof name !== 'string' || !this.#names.has(name)) return false
    const value = given ?? parameters ?? {}
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    this.#calls.push({ index: this.#count++, name, arguments: text })
    return true
  }

  #stepArguments(): boolean {
    for (let at = 0; at < this.#buffer.length; at++) {
      if (!this.#closes(this.#buffer[at] ?? '')) continue
      this.#tellArguments(at + 1)
      this.#state = 'tail'
      return true
    }
    this.#tellArguments(this.#buffer.length)
    return false
  }

  #closes(character: string): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (character === '\\') this.#isEscaped = true
      else if (character === '"') this.#isInString = false
      return false
    }
    if (character === '"') this.#isInString = true
    else if (character === '{' || character === '[') this.#depth++
    else if (character === '}' || character === ']') return --this.#depth === 0
    return false
  }

  #tellArguments(length: number): void {
    if (length === 0) return
    this.#calls.push({ index: this.#count - 1, arguments: this.#buffer.slice(0, length) })
    this.#buffer = this.#buffer.slice(length)
  }

  #stepTail(): boolean {
    const end = this.#buffer.indexOf(CALL_END)
    if (end < 0) {
      this.#buffer = this.#buffer.slice(-CALL_END.length)
      return false
    }
    this.#buffer = this.#buffer.slice(end + CALL_END.length)
    this.#state = 'text'
    return true
  }
}

/** The length of the longest end of `text` that may begin a call. */
function beginOfMark(text: string): number {
  for (let length = Math.min(CALL_BEGIN.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(CALL_BEGIN.slice(0, length))) return length
  }
  return 0
}

function parseOrNull(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null // The model wrote what is no JSON; that is for the caller to see.
  }
}
